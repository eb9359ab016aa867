import { PROOF_ALGS } from '../../../credentials/dpop.js';
import { SIGNING_ALGS } from '../../../credentials/signing-key.js';
import { TOKEN_EXCHANGE } from '../token-exchange.js';
import type { MetadataResponse } from './discovery.dto.js';

/** Hawk is in no registry of OAuth, and it is what a run's own credentials sign with; a token in the form needs none beside it. */
const OF_RUNS = ['hawk', 'none'];
/** A resource server may also send a client id and its access token, as it is used to. */
const OF_SERVERS = ['client_secret_basic', 'hawk'];

const OF_ALL = [
  'aud',
  'exp',
  'fence',
  'group',
  'iat',
  'iss',
  'jti',
  'nbf',
  'project',
  'run',
  'status',
  'sub',
  'task',
  'task_queue',
  'worker',
];
const CLAIMS = [...OF_ALL, 'client_id', 'cnf', 'scope'].sort();

/**
 * What verifiers and clients need to know of this issuer, for OpenID Connect Discovery and RFC 8414 alike. There is no endpoint that
 * authorizes people, so `authorization_endpoint` is left out: OpenID Connect Discovery demands it, but one that answers nobody would be a
 * lie, and issuers of workloads (GitHub Actions, Kubernetes) leave it out as well, so what verifies their tokens asks for none.
 * RFC 8414 demands it only where a grant uses it. `response_types_supported` is there because both demand it.
 */
export function metadata(issuer: string): MetadataResponse {
  return {
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    token_endpoint: `${issuer}/oauth/token`,
    introspection_endpoint: `${issuer}/oauth/introspect`,
    revocation_endpoint: `${issuer}/oauth/revoke`,
    grant_types_supported: [TOKEN_EXCHANGE],
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...SIGNING_ALGS],
    token_endpoint_auth_methods_supported: OF_RUNS,
    introspection_endpoint_auth_methods_supported: OF_SERVERS,
    revocation_endpoint_auth_methods_supported: OF_SERVERS,
    dpop_signing_alg_values_supported: PROOF_ALGS,
    claims_supported: CLAIMS,
  };
}
