import { Socket } from 'node:net';
import { jest } from '@jest/globals';
import { canonicalJson } from './canonical-json.js';
import { compactJws, readCompactJws, signingInput } from './compact-jws.js';
import { generateKey } from './generate-key.js';
import { readKeySet } from './key-set.js';
import { signerOf } from './signer.js';
import { verifyTask } from './verify-task.js';

const HEADER = { alg: 'EdDSA', kid: 'creator' } as const;
const SIGNATURE = Buffer.alloc(64, 1);
const MOST = 1024 * 1024;

/** The first two parts, of that many characters. A byte more is one or two characters more, so one number in four cannot be had. */
function inputOf(characters: number): string {
  const bytes = Math.floor(((characters - signingInput(HEADER, '').length) * 3) / 4);
  return signingInput(HEADER, 'x'.repeat(bytes));
}

it('(18) has 1 MiB at most, by who signs and by who reads', () => {
  const rest = compactJws('', SIGNATURE).length;
  const longest = inputOf(MOST - rest);
  expect(longest.length + rest).toBe(MOST);
  const jws = compactJws(longest, SIGNATURE);
  expect(readCompactJws(jws)).toMatchObject({ ...HEADER, signature: SIGNATURE });

  const longer = inputOf(MOST - rest + 1);
  expect(longer.length + rest).toBe(MOST + 1);
  expect(() => compactJws(longer, SIGNATURE)).toThrow(/^signature-malformed: .*longer than 1048576 characters/);
  expect(() => readCompactJws(`${longer}.${SIGNATURE.toString('base64url')}`)).toThrow(/^signature-malformed: .*longer than 1048576/);
});

it('(27) where a header says where to fetch a key, or has one, nothing is fetched', async () => {
  const connect = jest.spyOn(Socket.prototype, 'connect');
  const fetched = jest.spyOn(globalThis, 'fetch');
  const { privateJwk, publicJwk } = generateKey('EdDSA', { kid: 'creator' });
  const keySet = readKeySet(JSON.stringify({ version: 1, keys: [publicJwk] }));
  const expectation = { audience: 'a', taskId: 'fN1SbArXTPSVFNUvaOlinQ', taskQueueId: 'p/w', runId: 0, now: 1_800_000_000, skew: 0 };
  const there = 'http://127.0.0.1:2/keys';
  for (const more of [
    { jku: there },
    { x5u: there },
    { jwk: publicJwk },
    { x5c: ['AAAA'] },
    { kid: there },
    { kid: 'nobody', jku: there },
  ]) {
    const input = [canonicalJson({ ...HEADER, typ: 'leasehold-task+jws', ...more }), '{}'].map((part) =>
      Buffer.from(part).toString('base64url'),
    );
    const jws = compactJws(input.join('.'), await signerOf(privateJwk).sign(Buffer.from(input.join('.'))));
    expect(() => verifyTask(jws, expectation, keySet)).toThrow(/^signature-(malformed|unknown-key): /);
  }
  await new Promise(setImmediate);
  expect([connect.mock.calls, fetched.mock.calls]).toEqual([[], []]);

  await expect(fetch(there)).rejects.toThrow(); // which both would have seen
  expect([connect, fetched].map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
});
