import { ListOf, NestedList, Text } from '../../http/shape.js';
import { PublicKeyResponse } from './keys.dto.js';

/** A JSON Web Key Set (RFC 7517). */
export class JwksResponse {
  @NestedList(() => PublicKeyResponse)
  keys!: PublicKeyResponse[];
}

const Words = () => ListOf({ maxLength: 100 });

/** OpenID Connect Discovery 1.0, section 3, and RFC 8414, section 2. */
export class MetadataResponse {
  @Text({ description: 'ISSUER_URL: what `iss` says' })
  issuer!: string;

  @Text({})
  jwks_uri!: string;

  @Text({})
  token_endpoint!: string;

  @Text({})
  introspection_endpoint!: string;

  @Text({})
  revocation_endpoint!: string;

  @Words()
  grant_types_supported!: string[];

  @Words()
  response_types_supported!: string[];

  @Words()
  subject_types_supported!: string[];

  @Words()
  id_token_signing_alg_values_supported!: string[];

  @Words()
  token_endpoint_auth_methods_supported!: string[];

  @Words()
  introspection_endpoint_auth_methods_supported!: string[];

  @Words()
  revocation_endpoint_auth_methods_supported!: string[];

  @Words()
  dpop_signing_alg_values_supported!: string[];

  @Words()
  claims_supported!: string[];
}
