import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { BEGINNING, type Link, linked } from './chain.js';
import type { Entry } from './sql/entry-columns.js';

const AT = new Date('2026-01-02T03:04:05.678Z');
const entry = (more: Partial<Entry> = {}): Entry => ({
  ...{ at: AT, kind: 'role-created', actor: 'root', taskId: null, runId: null, detail: null },
  ...more,
});

const anyEntry: fc.Arbitrary<Entry> = fc.record({
  at: fc.date({ noInvalidDate: true }),
  kind: fc.string({ unit: 'grapheme' }),
  actor: fc.option(fc.string()),
  taskId: fc.option(fc.string()),
  runId: fc.option(fc.nat(1000)),
  detail: fc.option(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.oneof(fc.string(), fc.integer(), fc.boolean()))),
});

const chained = (entries: readonly Entry[], from = BEGINNING): Link => entries.reduce((link, one) => linked(one, link), from);
const same = (one: Link, other: Link) => one.seq === other.seq && one.hash.equals(other.hash);

it('the hash is over the canonical text of the entry, its number and the hash before it', () => {
  const text = `{"actor":"root","at":"2026-01-02T03:04:05.678Z","detail":{"a":1,"b":[true]},"kind":"role-created","previous":"${'00'.repeat(32)}","runId":0,"seq":1,"taskId":"t"}`;
  expect(linked(entry({ taskId: 't', runId: 0, detail: { b: [true], a: 1 } }), BEGINNING)).toEqual({
    seq: 1,
    hash: createHash('sha256').update(text).digest(),
  });
});

it('a change of anything anywhere changes the end', () => {
  const changed = fc.record({ before: fc.array(anyEntry, { maxLength: 5 }), one: anyEntry, other: anyEntry, after: fc.array(anyEntry) });
  fc.assert(
    fc.property(changed, ({ before, one, other, after }) => {
      const isSame = JSON.stringify(one) === JSON.stringify(other);
      fc.pre(!isSame);
      expect(same(chained([...before, one, ...after]), chained([...before, other, ...after]))).toBe(false);
      expect(same(chained([...before, one, other, ...after]), chained([...before, other, one, ...after]))).toBe(false);
      expect(same(chained([...before, one, ...after]), chained([...before, ...after]))).toBe(false);
    }),
  );
});

it('a chain goes on where it was cut', () => {
  fc.assert(
    fc.property(fc.array(anyEntry), fc.array(anyEntry), (one, other) => {
      expect(chained([...one, ...other])).toEqual(chained(other, chained(one)));
    }),
  );
});

it.each(['at', 'kind', 'actor', 'taskId', 'runId', 'detail'] as const)('%s is under the hash', (field) => {
  const others = { at: new Date(AT.getTime() + 1), kind: 'x', actor: null, taskId: 't', runId: 0, detail: {} };
  expect(same(linked(entry(), BEGINNING), linked(entry({ [field]: others[field] }), BEGINNING))).toBe(false);
});

it('times that only Postgres knows have a hash, too', () => {
  const hash = (at: unknown) => linked(entry({ at: at as Date }), BEGINNING).hash.toString('hex');
  expect(new Set([hash(Number.POSITIVE_INFINITY), hash(Number.NEGATIVE_INFINITY), hash(AT)]).size).toBe(3);
});
