import type { Call, Success } from './operation.js';

/** What caches and browsers are told. */
export const ofAnybody = {
  ...{ 'content-type': 'application/json; charset=utf-8', 'cache-control': 'public, max-age=300', 'access-control-allow-origin': '*' },
  ...{ 'x-content-type-options': 'nosniff', etag: expect.stringMatching(/^"[\w-]{43}"$/) },
};

/** Whoever has it already is told so, and sent nothing. */
export function kept(path: string): Record<string, Success<Call>> {
  const having = (header: (etag: string) => string): Success<Call> => ({
    call: async (_, { root }) => ({ headers: { 'if-none-match': header((await root.as().get(path)).headers.etag ?? '') } }),
    check: ({ status, headers }) => {
      expect(status).toBe(304);
      expect(headers).toMatchObject({ 'cache-control': ofAnybody['cache-control'], etag: ofAnybody.etag });
    },
  });
  return {
    'who has it': having((etag) => etag),
    'who has it from a proxy, among others': having((etag) => `"x", W/${etag}`),
    'who has another one': {
      call: { headers: { 'if-none-match': '"x"' } },
      check: ({ status, body }) => expect([status, typeof body]).toEqual([200, 'object']),
    },
  };
}

/** The endpoints of an issuer. */
export function expectMetadata(body: Record<string, unknown>, issuer: string): void {
  expect(body).toMatchObject({
    ...{ issuer, jwks_uri: `${issuer}/.well-known/jwks.json`, token_endpoint: `${issuer}/oauth/token` },
    ...{ introspection_endpoint: `${issuer}/oauth/introspect`, revocation_endpoint: `${issuer}/oauth/revoke` },
    grant_types_supported: ['urn:ietf:params:oauth:grant-type:token-exchange'],
    ...{ subject_types_supported: ['public'], id_token_signing_alg_values_supported: ['ES256', 'RS256'] },
    dpop_signing_alg_values_supported: expect.arrayContaining(['ES256']),
  });
  expect(body).not.toHaveProperty('authorization_endpoint');
  for (const value of Object.values(body)) expect(value).not.toHaveLength(0); // RFC 8414, 3.2: what is empty is left out
}
