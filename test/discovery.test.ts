import * as oauth from 'oauth4webapi';
import { World } from './operations/world.js';
import { freePort } from './support/service-process.js';
import { claimsOf, Prover, tokenOf } from './support/task-tokens.js';
import { startTestService, type TestService } from './support/test-service.js';

let test: TestService;
let issuer: string;
beforeAll(async () => {
  const port = await freePort(); // the issuer must know its own URL before it listens there
  issuer = `http://127.0.0.1:${port}`;
  test = await startTestService({ port, issuerUrl: issuer });
});
afterAll(() => test.close());

const LOOPBACK = { [oauth.allowInsecureRequests]: true };

it.each(['oidc', 'oauth2'] as const)('a strict client discovers the issuer by %s', async (algorithm) => {
  const response = await oauth.discoveryRequest(new URL(issuer), { algorithm, ...LOOPBACK });
  const server = await oauth.processDiscoveryResponse(new URL(issuer), response);
  expect(server).toMatchObject({ issuer, token_endpoint: `${issuer}/oauth/token`, jwks_uri: `${issuer}/.well-known/jwks.json` });
  const jwks = await fetch(server.jwks_uri!);
  expect((await jwks.json()) as object).toMatchObject({
    keys: [
      { alg: 'ES256', crv: 'P-256' },
      { alg: 'RS256', e: 'AQAB' },
    ],
  });
});

it('has all claims that tokens have, and no endpoint that answers nobody', async () => {
  const said = (await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()) as { claims_supported: string[] };
  const world = new World(test);
  const { credentials } = await world.run({ scopes: ['some:thing'] });
  const proof = await (await Prover.make()).proof('POST', '/oauth/token', undefined, { htu: `${issuer}/oauth/token` });
  const token = await tokenOf(test.root.as(credentials), { scope: 'some:thing' }, { headers: { dpop: proof } });
  expect(said.claims_supported).toEqual(Object.keys(claimsOf(token)).sort());
  expect(said).not.toHaveProperty('authorization_endpoint');
});

it('takes an issuer for no other than the one it is', async () => {
  const elsewhere = new URL(issuer.replace('127.0.0.1', 'localhost'));
  const response = await oauth.discoveryRequest(new URL(issuer), LOOPBACK);
  await expect(oauth.processDiscoveryResponse(elsewhere, response)).rejects.toThrow(/issuer/);
});

it('is for anybody: credentials are not looked at, nor where a page comes from', async () => {
  for (const path of ['jwks.json', 'openid-configuration', 'oauth-authorization-server']) {
    const answer = await fetch(`${issuer}/.well-known/${path}`, {
      headers: { authorization: 'Bearer nonsense', origin: 'https://example.com' },
    });
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, '*']);
    expect(answer.headers.get('cache-control')).toBe('public, max-age=300');
    const head = await fetch(`${issuer}/.well-known/${path}`, { method: 'HEAD' });
    expect([head.status, head.headers.get('etag')]).toEqual([200, answer.headers.get('etag')]);
  }
});

it('is served where its issuer is, and at no path below', async () => {
  for (const path of [
    '/.well-known/oauth-authorization-server/x',
    '/x/.well-known/openid-configuration',
    '/.well-known',
    '/.well-known/x',
  ]) {
    expect((await fetch(issuer + path)).status).toBe(404);
  }
  expect((await fetch(`${issuer}/.well-known/jwks.json`, { method: 'POST' })).status).toBe(404);
});
