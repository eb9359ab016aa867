import { decodeProtectedHeader } from 'jose';
import { claimsOf, HERE, tokenOf } from '../../support/task-tokens.js';
import { operation } from '../operation.js';

export default operation({
  arrange: async (world) => {
    const { credentials } = await world.run({ scopes: ['some:*'] });
    await tokenOf(world.root.as(credentials), { audience: HERE });
    return { params: { list: '0' } };
  },
  check: ({ body: text, headers }) => {
    const of = { 'content-type': 'application/statuslist+jwt', 'cache-control': 'public, max-age=1', 'access-control-allow-origin': '*' };
    expect(headers).toMatchObject(of);
    expect(decodeProtectedHeader(text)).toEqual({ alg: 'ES256', kid: expect.any(String), typ: 'statuslist+jwt' });
    const { iat, exp, ...claims } = claimsOf(text);
    expect(exp - iat).toBe(60);
    expect(claims).toEqual({
      sub: expect.stringMatching(/\/oauth\/status-lists\/0$/),
      ttl: 1,
      status_list: { bits: 1, lst: expect.any(String) },
    });
  },
  refusals: {
    'one that has no tokens': { call: { params: { list: '4711' } }, code: 'ResourceNotFound', says: /no status list 4711/ },
    'no number': { call: { params: { list: '01' } }, code: 'InvalidRequestArguments', says: /list = "01" must be the number of a list/ },
  },
});
