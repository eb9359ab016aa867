import fc from 'fast-check';
import { findCycle } from './dependency-cycle.js';

const graph = (...dependencies: string[][]) => dependencies.map((names, index) => ({ taskId: `t${index}`, dependencies: names }));

it.each([
  [graph(), undefined],
  [graph(['t0']), undefined],
  [graph(['t1'], ['t1', 'elsewhere']), undefined],
  [graph(['t1', 't2'], ['t2'], []), undefined],
  [graph(['t1'], ['t0']), [0, 1]],
  [graph(['t1'], ['t2'], ['t3', 't2'], ['t1']), [1, 2, 3]],
])('of %j is %j', (tasks, cycle) => expect(findCycle(tasks)).toEqual(cycle));

const edges = fc.array(fc.tuple(fc.nat(7), fc.nat(7)), { maxLength: 14 });
const named = (pairs: [number, number][]) =>
  graph(...Array.from({ length: 8 }, (_, index) => pairs.filter(([from]) => from === index).map(([, to]) => `t${to}`)));

it('is one in which each depends on the next', () => {
  fc.assert(
    fc.property(edges, (pairs) => {
      const cycle = findCycle(named(pairs)) ?? [];
      const linked = cycle.every((index, at) => pairs.some(([from, to]) => from === index && to === cycle[(at + 1) % cycle.length]));
      expect([linked, new Set(cycle).size, cycle.length === 1]).toEqual([true, cycle.length, false]);
    }),
  );
});

it('is found exactly when there is no order in which all can be done', () => {
  fc.assert(
    fc.property(edges, (pairs) => {
      const others = pairs.filter(([from, to]) => from !== to);
      const done = new Set<number>();
      for (let round = 0; round < 8; round++) {
        for (let index = 0; index < 8; index++) if (others.every(([from, to]) => from !== index || done.has(to))) done.add(index);
      }
      expect(findCycle(named(pairs)) === undefined).toBe(done.size === 8);
    }),
  );
});

it('is found in a chain of many without deep recursion', () => {
  const many = graph(...Array.from({ length: 100_000 }, (_, index) => [`t${index + 1}`]));
  expect(findCycle(many)).toBeUndefined();
  expect(findCycle([...many, { taskId: 't100000', dependencies: ['t0'] }])).toHaveLength(100_001);
});
