import fc from 'fast-check';
import { DatabaseAway } from '../postgres/database-away.js';
import { Lane } from './lane.js';

/** After all that is due, also where the machine is so busy that a timer comes before the end of its turn. */
const soon = () => new Promise((done) => setTimeout(() => setImmediate(() => setImmediate(done)), 5));
const of = (taskId: string) => ({ taskId });

/** A lane whose statements end when they are told to. */
function laneOf({ fails = false, knows = (_: string): boolean => true } = {}) {
  const batches: string[] = [];
  const alone: string[] = [];
  const ends: (() => void)[] = [];
  const lane = new Lane<{ taskId: string }, { taskId: string; how: string }>({
    together: async (asked) => {
      batches.push(asked.map(({ taskId }) => taskId).join(''));
      await new Promise<void>((end) => ends.push(end));
      if (fails) throw new Error('lost');
      return asked.filter(({ taskId }) => knows(taskId)).map(({ taskId }) => ({ taskId, how: 'together' }));
    },
    alone: async ({ taskId }) => {
      alone.push(taskId);
      if (taskId === '!') throw new Error('refused');
      return taskId === '?' ? undefined : { taskId, how: 'alone' };
    },
  });
  const end = async () => {
    ends.shift()?.();
    await soon();
  };
  return { lane, batches, alone, end };
}

describe('Lane', () => {
  it('a lone request goes at once; who comes while it is under way goes together with the others', async () => {
    const { lane, batches, end } = laneOf();
    const first = lane.ask(of('a'));
    await soon();
    expect(batches).toEqual(['a']);
    const others = ['b', 'c', 'd'].map((one) => lane.ask(of(one)));
    await soon();
    expect(batches).toEqual(['a']);
    await end();
    expect(batches).toEqual(['a', 'bcd']);
    expect(lane.idle).toBe(false);
    await end();
    expect((await Promise.all([first, ...others])).map((row) => `${row?.taskId} ${row?.how}`)).toEqual(
      ['a', 'b', 'c', 'd'].map((id) => `${id} together`),
    );
    expect(lane.idle).toBe(true);
  });

  it('who comes in one turn of the event loop goes together', async () => {
    const { lane, batches } = laneOf();
    for (const one of ['a', 'b']) lane.ask(of(one));
    await Promise.resolve();
    lane.ask(of('c'));
    await soon();
    expect(batches).toEqual(['abc']);
  });

  it('two of one task never share a statement, and keep their order', async () => {
    const { lane, batches, end } = laneOf();
    for (const one of ['x', 'a', 'a', 'b']) lane.ask(of(one));
    for (let n = 0; n < 2; n++) await end();
    expect(batches).toEqual(['xab', 'a']);
  });

  it('who has no row together is asked alone, and holds up nobody', async () => {
    const { lane, batches, alone, end } = laneOf({ knows: (one) => one === 'a' });
    const [a, b, none, bad] = ['a', 'b', '?', '!'].map((one) => lane.ask(of(one)));
    const refused = expect(bad).rejects.toThrow('refused');
    await soon();
    await end();
    expect(await Promise.all([a, b, none])).toEqual([{ taskId: 'a', how: 'together' }, { taskId: 'b', how: 'alone' }, undefined]);
    await refused;
    expect([alone, batches]).toEqual([['b', '?', '!'], ['ab?!']]);
  });

  it('beyond 2 000 who wait it says so, and goes on with those', async () => {
    const { lane, end } = laneOf();
    const waiting = Array.from({ length: 2_000 }, (_, n) => lane.ask(of(`${n}`)));
    await expect(lane.ask(of('one more'))).rejects.toBeInstanceOf(DatabaseAway);
    await soon();
    for (let n = 0; n < 2_000 / 64; n++) await end();
    expect((await Promise.all(waiting)).filter((row) => row?.how === 'together')).toHaveLength(2_000);
  });

  it('of one task 32 wait at most, so nobody fills it with one request, repeated; then there is room again', async () => {
    const { lane, end } = laneOf();
    const first = lane.ask(of('mine'));
    await soon();
    const waiting = Array.from({ length: 32 }, () => lane.ask(of('mine')));
    await expect(lane.ask(of('mine'))).rejects.toBeInstanceOf(DatabaseAway);
    const other = lane.ask(of('other'));
    for (let n = 0; n < 33; n++) await end();
    expect((await Promise.all([first, ...waiting, other])).map((row) => row?.how)).toEqual(Array(34).fill('together'));
    const again = Array.from({ length: 32 }, () => lane.ask(of('mine')));
    await expect(lane.ask(of('mine'))).rejects.toBeInstanceOf(DatabaseAway);
    await soon();
    for (let n = 0; n < 32; n++) await end();
    await Promise.all(again);
  });

  it('after a statement that failed, each is asked alone, and the lane goes on', async () => {
    const { lane, alone, end } = laneOf({ fails: true });
    const answers = ['a', 'b', 'c'].map((one) => lane.ask(of(one)));
    for (let n = 0; n < 3; n++) await end();
    expect((await Promise.all(answers)).map((row) => row?.how)).toEqual(['alone', 'alone', 'alone']);
    expect(alone).toEqual(['a', 'b', 'c']);
  });

  it('everybody is answered once, by the own row, in statements of at most 64', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc
          .array(fc.nat({ max: 200 }), { maxLength: 300 })
          .map((numbers) => numbers.filter((one, at) => numbers.slice(0, at).filter((other) => other === one).length < 32)),
        async (numbers) => {
          const sizes: number[] = [];
          const lane = new Lane({
            together: async (asked: readonly { taskId: string }[]) => {
              sizes.push(asked.length);
              expect(new Set(asked.map(({ taskId }) => taskId)).size).toBe(asked.length);
              await soon();
              return asked.filter(({ taskId }) => Number(taskId) % 3 > 0).toReversed();
            },
            alone: async (asked) => asked,
          });
          const answers = await Promise.all(numbers.map((one) => lane.ask(of(`${one}`))));
          expect(answers.map((row) => Number(row?.taskId))).toEqual(numbers);
          expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(64);
          expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(numbers.length);
        },
      ),
      { numRuns: 30 },
    );
  });
});
