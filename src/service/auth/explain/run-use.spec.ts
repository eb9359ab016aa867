import 'reflect-metadata';
import { compileRoles } from '../../../scopes/role-expansion.js';
import type { Given } from './holding.js';
import { runUse } from './run-use.js';

const WHEN = new Date('2026-11-22T12:00:00.000Z');
const LATER = new Date('2026-11-22T13:00:00.000Z');
const ROLES = compileRoles([
  { roleId: 'r', scopes: ['r:1', 'r:2'] },
  { roleId: 'anonymous', scopes: ['open:*'] },
  { roleId: 'many', scopes: Array.from({ length: 3_000 }, (_, n) => `many:${n}`) },
  { roleId: 'long', scopes: Array.from({ length: 100 }, (_, n) => `long:${n}:${'x'.repeat(4_000)}`) },
]);

const layerOf = (scopes: string[], by: Given['by']) => ({ scopes: scopes.map((scope) => ({ scope, by })), because: '' });
const use = (scopes: string[], uses: [string, Date][], by: Given['by'] = 'task.scopes', left?: string[]) =>
  runUse(
    { given: layerOf(scopes, by), ...(left ? { left: layerOf(left, 'creator') } : {}) },
    uses.map(([scope, firstUsed]) => ({ scope, firstUsed })),
    ROLES,
  );
const usedOf = ({ given }: ReturnType<typeof use>) =>
  Object.fromEntries(given.map(({ scope, used, firstUsed }) => [scope, used ? firstUsed : used]));

it('a use counts for each scope on the way, since the first one', () => {
  const result = use(
    ['assume:r', 'a'],
    [
      ['r:2', LATER],
      ['open:*', WHEN],
      ['r:1', WHEN],
    ],
  );
  expect(usedOf(result)).toEqual({
    ...{ 'assume:r': WHEN.toISOString(), a: false, 'r:1': WHEN.toISOString(), 'r:2': LATER.toISOString() },
    ...{ 'assume:anonymous': WHEN.toISOString(), 'open:*': WHEN.toISOString() },
  });
  expect(result).toMatchObject({ unused: ['a'], cut: false });
});

it('what a role no longer grants counts for nothing', () => {
  expect(use(['assume:r'], [['r:0', WHEN]]).unused).toEqual(['assume:r', 'r:1', 'r:2']);
});

it('what every run has, and what everybody has, is never called unused', () => {
  expect(use(['assume:r', 'own'], [], 'run').unused).toEqual([]);
});

it('a scope that is too long to be noted is not called unused either', () => {
  const long = `x:${'x'.repeat(3_000)}`;
  const result = use([long], []);
  expect([result.unused, usedOf(result)[long]]).toEqual([[], undefined]);
});

it('what roles grant is listed as far as it is read, and said to be cut', () => {
  const result = use(['assume:many'], []);
  expect([result.given.length, result.cut]).toEqual([1_002, true]);
  const long = use(['assume:long'], []);
  expect([JSON.stringify(long).length < 600_000, long.cut]).toEqual([true, true]);
});

it('what was taken from the run, or a part of it, is still told, and marked with all that came of it', () => {
  const { given, unused } = use(['assume:r', 'a:*', 'b', 'c'], [['b', WHEN]], 'task.scopes', ['a:1', 'c']);
  expect(given.filter(({ lost }) => lost).map(({ scope }) => scope)).toEqual(['assume:r', 'a:*', 'b', 'r:1', 'r:2']);
  expect(unused).toEqual(['assume:r', 'a:*', 'c', 'r:1', 'r:2']);
  expect(use(['assume:r', 'a:*'], []).given.filter(({ lost }) => lost)).toEqual([]);
});

it('where a run used more than is noted, what is not noted is not called unused', () => {
  const uses = Array.from({ length: 5_000 }, (_, n): [string, Date] => [`x:${n}`, WHEN]);
  const most = use(['x:1', 'a'], uses.slice(1));
  expect([usedOf(most), most.unused]).toEqual([expect.objectContaining({ a: false }), ['a']]);
  const full = use(['x:1', 'a'], uses);
  expect([usedOf(full), full.unused]).toEqual([expect.objectContaining({ 'x:1': WHEN.toISOString(), a: undefined }), []]);
});
