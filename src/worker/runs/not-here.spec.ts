import type { Payload } from '../payload/payload.js';
import { assertRunsHere, NotHere, secretsHere } from './not-here.js';

const secrets = new Map(Object.entries({ a: 'x'.repeat(40_000), b: 'y'.repeat(24_000), c: 'z'.repeat(2_000) }));

it('a task is given the secrets that it asks for, up to what can be looked for in its log', () => {
  expect(Object.keys(secretsHere(['a', 'b'], { secrets }))).toEqual(['a', 'b']);
  expect(secretsHere([], { secrets })).toEqual({});
  expect(() => secretsHere(['a', 'b', 'c'], { secrets })).toThrow(/secrets of 66000 bytes, more than 65536; let it ask for fewer/);
});

it('one that this worker has not is named, and another worker may have it', () => {
  expect(() => secretsHere(['a', 'd'], { secrets })).toThrow(NotHere);
  expect(() => secretsHere(['a', 'd'], { secrets })).toThrow(/\(secrets\): d$/);
});

it('76: a port of the proxy is there where steps are isolated alone', () => {
  const payload = { steps: [{ name: 'ask', network: 'proxy', proxyUrl: true }], features: {} } as unknown as Payload;
  const networks = ['proxy'] as const;
  expect(() => assertRunsHere(payload, { isolation: 'none', networks })).toThrow(NotHere);
  expect(() => assertRunsHere(payload, { isolation: 'none', networks })).toThrow(/Step ask .*anybody on its machine could call as the run/);
  expect(() => assertRunsHere(payload, { isolation: 'bubblewrap', networks })).not.toThrow();
});
