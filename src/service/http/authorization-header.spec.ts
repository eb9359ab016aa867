import type { FastifyRequest } from 'fastify';
import { authorizationOf } from './authorization-header.js';

/** As Node reads it: of several it keeps the first. */
function read(...rawHeaders: string[]): string | undefined {
  const index = rawHeaders.findIndex((name, at) => at % 2 === 0 && name.toLowerCase() === 'authorization');
  const headers = index < 0 ? {} : { authorization: rawHeaders[index + 1] };
  return authorizationOf({ headers, raw: { rawHeaders } } as unknown as FastifyRequest);
}

it('one is what it says, in any letters, beside any others', () => {
  expect(read()).toBeUndefined();
  expect(read('Host', 'authorization', 'X', 'authorization')).toBeUndefined();
  expect(read('Host', 'x', 'AUTHORIZATION', 'Bearer x', 'Proxy-Authorization', 'y', 'Authorizations', 'z')).toBe('Bearer x');
  expect(read('authorization', '')).toBe('');
});

it('two are none, also if they are alike, or empty', () => {
  for (const one of ['Bearer x', 'Hawk y', ''])
    for (const other of ['Bearer x', ''])
      expect(() => read('Authorization', one, 'Host', 'x', 'authorization', other)).toThrow(/two Authorization headers/);
});
