import fc from 'fast-check';
import { RefusalBudget } from './refusal-budget.js';

it('takes ten of an account in a minute, and counts the others', () => {
  const budget = new RefusalBudget();
  const takes = (count: number, now: number) => Array.from({ length: count }, () => budget.takes('a', 'X', now)).filter(Boolean).length;
  expect([takes(25, 0), takes(5, 59_999), takes(5, 60_000)]).toEqual([10, 0, 5]);
  expect(budget.collect()).toEqual([{ account: 'a', code: 'X', count: 20 }]);
  expect(budget.collect()).toEqual([]);
});

it('one account takes nothing of another, nor one code of its own', () => {
  const budget = new RefusalBudget();
  for (let times = 0; times < 11; times++) budget.takes('a', times % 2 ? 'X' : 'Y', 0);
  expect(budget.takes('b', 'X', 0)).toBe(true);
  expect(budget.collect()).toEqual([{ account: 'a', code: 'Y', count: 1 }]);
});

it('runs take half at most, however many they are, and none takes the ten of another', () => {
  const budget = new RefusalBudget();
  const takes = (account: string, count: number, isRun: boolean) =>
    Array.from({ length: count }, () => budget.takes(account, 'X', 0, isRun)).filter(Boolean).length;
  expect(takes('run-0', 20, true)).toBe(10);
  expect(takes('run-1', 1, true)).toBe(1);
  const others = Array.from({ length: 50 }, (_, n) => takes(`run-${n + 2}`, 5, true));
  expect(others.reduce((sum, taken) => sum + taken, 11)).toBe(100);
  expect(takes('client', 20, false)).toBe(10);
});

it('strangers are not counted with those who were too many to be counted apart', () => {
  const budget = new RefusalBudget();
  budget.count('', 'X');
  for (let n = 0; n < 120; n++) budget.count(`client-${n}`, 'X');
  const omitted = budget.collect();
  expect(omitted).toHaveLength(101);
  expect(omitted).toEqual(
    expect.arrayContaining([
      { account: '', code: 'X', count: 1 },
      { account: undefined, code: 'X', count: 21 },
    ]),
  );
});

it('whatever comes, little is taken, little is remembered, and none is lost', () => {
  const refusal = fc.record({ account: fc.nat(400).map(String), code: fc.constantFrom('X', 'Y'), wait: fc.nat(50), isRun: fc.boolean() });
  fc.assert(
    fc.property(fc.array(refusal, { maxLength: 2_000, size: 'max' }), (refusals) => {
      const budget = new RefusalBudget();
      let [now, taken] = [0, 0];
      for (const { account, code, wait, isRun } of refusals) {
        now += wait;
        if (budget.takes(account, code, now, isRun)) taken++;
      }
      expect(taken).toBeLessThanOrEqual(200 * (1 + Math.floor(now / 60_000)));
      const omitted = budget.collect();
      expect(omitted.length).toBeLessThanOrEqual(102);
      expect(omitted.reduce((sum, { count }) => sum + count, taken)).toBe(refusals.length);
    }),
    { numRuns: 50 },
  );
});
