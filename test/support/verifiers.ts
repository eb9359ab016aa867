import { once } from 'node:events';
import type { Server } from 'node:http';
import { Agent } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { JwtRsaVerifier, JwtVerifier } from 'aws-jwt-verify';
import { SimpleFetcher } from 'aws-jwt-verify/https';
import { SimpleJwksCache } from 'aws-jwt-verify/jwk';
import express from 'express';
import { auth, requiredScopes } from 'express-oauth2-jwt-bearer';
import { createRemoteJWKSet, customFetch as joseFetch, jwtVerify, type RemoteJWKSetOptions } from 'jose';
import * as oauth from 'oauth4webapi';
import { JWKS_MAX_AGE } from '../../src/service/auth/keys/key-life.js';
import type { CachingProxy } from './caching-proxy.js';
import type { Clock } from './clock.js';
import { HERE, type Prover } from './task-tokens.js';

/* Resource servers as others would write them, with the libraries that others verify tokens by. None of them is told more than who issues. */

/** Who they are, and the scope that it takes to be served. */
export const AUDIENCE = 'https://api.example.com';
export const SCOPE = 'packages:read:team/app';

export type Kind = 'access' | 'bound' | 'identity';

/** Where a resource server runs. */
export interface Place {
  /** How it reaches the issuer. */
  proxy: CachingProxy;
  clock: Clock;
  /** Makes the proofs of those who call it. */
  prover: Prover;
  /** Seconds for which it takes a token after its end: what its library allows unless said. */
  tolerance?: number;
}

export interface Claims {
  sub?: string;
}

/** A resource server that was started. */
export interface Opened {
  /** The claims of a token that it takes. Rejects with the reason of its library otherwise. */
  verify(token: string): Promise<Claims>;
  /** Where it answers requests, if it does. */
  url: string;
  /** The same of a request with these headers. */
  receive?(headers: Record<string, string>): Promise<Claims>;
  close?(): Promise<void>;
}

type Refusal = 'audience' | 'kind' | 'issuer' | 'key' | 'signature' | 'expired';

export interface Verifier {
  name: string;
  takes: Kind;
  /** It compares scopes itself, by the claims that its library gives it, and knows what a `*` at the end means. */
  takesPatterns?: boolean;
  /** What a refusal says. */
  says: Record<Refusal, RegExp> & { scope?: RegExp };
  open(place: Place): Promise<Opened>;
}

/** As docs/tokens.md has it; what a library compares are whole scopes. */
function assertScope({ scope = '' }: { scope?: unknown }): void {
  const covers = (one: string) => one === SCOPE || (one.endsWith('*') && SCOPE.startsWith(one.slice(0, -1)));
  if (!String(scope).split(' ').some(covers)) throw new Error(`needs the scope ${SCOPE}`);
}

/** The issuer is a URL of https, as in the world. Where libraries would reach it by TLS, there is the proxy on the loopback interface. */
function fetched({ proxy }: Place) {
  return (url: string, options: object): Promise<Response> => fetch(url.replace(HERE, proxy.url), options as RequestInit);
}

/**
 * The same for those that bring their own way to fetch: the agent of node:https is what they let one set. URL, host and request stay theirs, only
 * TLS is left out.
 */
class LoopbackAgent extends Agent {
  constructor(private readonly loopbackPort: number) {
    super({ keepAlive: true });
  }

  override createConnection() {
    return connect(this.loopbackPort, '127.0.0.1');
  }
}

const JWKS_URI = new URL(`${HERE}/.well-known/jwks.json`);
const OF_JOSE = {
  audience: /unexpected "aud"/,
  kind: /unexpected "typ"/,
  issuer: /unexpected "iss"/,
  key: /no applicable key found/,
  signature: /signature verification failed/,
  expired: /"exp" claim timestamp check failed/,
};

/** jose takes the URL of the keys, and whose tokens of which type it is to believe. */
function jose(typ: string, assert: (claims: object) => void = () => undefined, caching: RemoteJWKSetOptions = {}) {
  return async (place: Place): Promise<Opened> => {
    const keys = createRemoteJWKSet(JWKS_URI, { [joseFetch]: fetched(place), ...caching });
    const terms = { issuer: HERE, audience: AUDIENCE, typ, clockTolerance: place.tolerance ?? 0 };
    const verify = async (token: string) => {
      const { payload } = await jwtVerify(token, keys, terms);
      assert(payload);
      return payload;
    };
    return { verify, url: AUDIENCE };
  };
}

const OF_AWS = {
  audience: /Audience not allowed/,
  kind: /typ not allowed/,
  issuer: /Issuer not allowed/,
  key: /not found in the JWKS/,
  signature: /Invalid signature/,
  expired: /Token expired/,
};

/** aws-jwt-verify guesses the URL of the keys from the issuer, rightly. It looks at scopes, and leaves `typ` to a check of one's own. */
function aws(library: typeof JwtVerifier, typ: string, scope?: string) {
  return async (place: Place): Promise<Opened> => {
    const agent = new LoopbackAgent(place.proxy.port);
    const fetcher = new SimpleFetcher({ defaultRequestOptions: { agent } });
    const customJwtCheck = ({ header }: { header: object }) => {
      if (!('typ' in header) || header.typ !== typ) throw new Error('typ not allowed');
    };
    const verifier = library.create({ issuer: HERE }, { jwksCache: new SimpleJwksCache({ fetcher }) });
    const terms = { audience: AUDIENCE, customJwtCheck, graceSeconds: place.tolerance ?? 0, ...(scope && { scope }) };
    return { verify: (token) => verifier.verify(token, terms), url: AUDIENCE, close: async () => agent.destroy() };
  };
}

/** Calls a resource server with a token as its holder would. */
async function sent(kind: Kind, token: string, { prover }: Place, { url, receive }: Opened): Promise<Claims> {
  if (kind !== 'bound') return receive!({ authorization: `Bearer ${token}` });
  return receive!({ authorization: `DPoP ${token}`, dpop: await prover.proof('GET', '', token, { htu: url }) });
}

const OF_OAUTH = {
  audience: /unexpected JWT "aud"/,
  kind: /unexpected JWT "typ"/,
  issuer: /unexpected JWT "iss"/,
  key: /no applicable keys found/,
  signature: /JWT signature verification failed/,
  expired: /unexpected JWT "exp"/,
};

/** oauth4webapi, by the metadata of RFC 8414, strictly by RFC 9068. */
function oauth4webapi(kind: Kind) {
  return async (place: Place): Promise<Opened> => {
    const options = { [oauth.customFetch]: fetched(place), [oauth.clockTolerance]: place.tolerance ?? 0 };
    const server = await discovered(place, 'oauth2');
    const opened: Opened = {
      url: `${AUDIENCE}/thing`,
      receive: async (headers) => {
        const claims = await oauth.validateJwtAccessToken(server, new Request(opened.url, { headers }), AUDIENCE, options);
        assertScope(claims);
        return claims;
      },
      verify: (token) => sent(kind, token, place, opened),
    };
    return opened;
  };
}

/** The issuer as oauth4webapi finds it. */
export async function discovered(place: Place, algorithm: 'oidc' | 'oauth2'): Promise<oauth.AuthorizationServer> {
  const options = { algorithm, [oauth.customFetch]: fetched(place) };
  return oauth.processDiscoveryResponse(new URL(HERE), await oauth.discoveryRequest(new URL(HERE), options));
}

/** Introspection, revocation and exchange by oauth4webapi go where it fetches. */
export const fetchOptions = (place: Place) => ({ [oauth.customFetch]: fetched(place) });

const OF_EXPRESS = {
  audience: /401 .*Unexpected 'aud'/,
  scope: /403 .*insufficient_scope/,
  kind: /401 .*Unexpected 'typ'/,
  issuer: /401 .*Unexpected 'iss'/,
  key: /401 .*no applicable key found/,
  signature: /401 .*signature verification failed/,
  expired: /401 .*'exp' claim timestamp check failed/,
};

/** express-oauth2-jwt-bearer in an application of its own, by OpenID Connect Discovery. */
function expressApp(kind: Kind) {
  return async (place: Place): Promise<Opened> => {
    const agent = new LoopbackAgent(place.proxy.port);
    const tolerance = place.tolerance === undefined ? {} : { clockTolerance: place.tolerance };
    const app = express();
    app.use((_request, _response, next) => place.clock.run(next)); // a request does not bring along the clock of who sent it
    app.use(auth({ issuerBaseURL: HERE, audience: AUDIENCE, strict: true, agent, ...tolerance }));
    app.get('/thing', requiredScopes(SCOPE), (request, response) => void response.json(request.auth?.payload));
    const server: Server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const opened: Opened = {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/thing`,
      receive: async (headers) => {
        const answer = await fetch(opened.url, { headers });
        if (answer.status !== 200) throw new Error(`${answer.status} ${answer.headers.get('www-authenticate')}`);
        return (await answer.json()) as Claims;
      },
      verify: (token) => sent(kind, token, place, opened),
      close: async () => {
        server.closeAllConnections();
        await once(server.close(), 'close');
        agent.destroy();
      },
    };
    return opened;
  };
}

const LACKING = /needs the scope/;
const JOSE = { says: { ...OF_JOSE, scope: LACKING }, takesPatterns: true };
const AWS = { says: { ...OF_AWS, scope: /Scope/, kind: /Missing Scope/ } }; // an identity has none, which it sees first
const OAUTH = { says: { ...OF_OAUTH, scope: LACKING }, takesPatterns: true };

export const VERIFIERS: readonly Verifier[] = [
  { name: 'jose', takes: 'access', ...JOSE, open: jose('at+jwt', assertScope) },
  { name: 'oauth4webapi', takes: 'access', ...OAUTH, open: oauth4webapi('access') },
  { name: 'oauth4webapi with DPoP', takes: 'bound', ...OAUTH, open: oauth4webapi('bound') },
  { name: 'aws-jwt-verify', takes: 'access', ...AWS, open: aws(JwtVerifier, 'at+jwt', SCOPE) },
  { name: 'aws-jwt-verify, for any scope', takes: 'access', says: OF_AWS, open: aws(JwtVerifier, 'at+jwt') },
  { name: 'express-oauth2-jwt-bearer', takes: 'access', says: OF_EXPRESS, open: expressApp('access') },
  { name: 'express-oauth2-jwt-bearer with DPoP', takes: 'bound', says: OF_EXPRESS, open: expressApp('bound') },
  { name: 'jose, of identities', takes: 'identity', says: OF_JOSE, open: jose('JWT') },
  { name: 'aws-jwt-verify, of identities', takes: 'identity', says: OF_AWS, open: aws(JwtRsaVerifier, 'JWT') },
];

/** It asks for keys when those that it has are as old as it is told, and never because it lacks one: as strict as a cache may be. */
export const WAITING: Verifier = {
  ...{ name: 'jose, when the keys are too old', takes: 'access', ...JOSE },
  open: jose('at+jwt', assertScope, { cacheMaxAge: JWKS_MAX_AGE * 1000, cooldownDuration: Number.POSITIVE_INFINITY }),
};
