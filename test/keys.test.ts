import { Keyring } from '../src/service/auth/keys/keyring.js';
import { startTestService, type TestService } from './support/test-service.js';

let test: TestService;
beforeAll(async () => {
  test = await startTestService();
});
afterAll(() => test.close());

it('is made at the first start', async () => {
  const ring = test.service.app.get(Keyring);
  const other = await test.replica();
  const theirs = other.service.app.get(Keyring);
  expect(theirs.jwks()).toEqual(ring.jwks());
  expect(ring.jwks().keys.map(({ alg }) => alg)).toEqual(['ES256', 'RS256']);
  expect(theirs.signer().kid).toBe(ring.signer('ES256').kid);
  await other.close();
});
