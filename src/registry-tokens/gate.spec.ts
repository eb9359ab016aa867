import { describe, expect, it } from '@jest/globals';
import { Gates } from './gate.js';

/** What has become of a promise by now. */
async function state(promise: Promise<unknown>): Promise<string> {
  const said = promise.then(
    (lead) => (lead ? 'leads' : 'goes on'),
    (error: Error) => error.message,
  );
  return Promise.race([said, new Promise<string>((resolve) => setImmediate(resolve, 'waits'))]);
}

const states = (promises: Promise<unknown>[]) => Promise.all(promises.map(state));

describe('a gate', () => {
  it('49: lets one go first for each key, and the others in their order when that is over', async () => {
    const gates = new Gates();
    const lead = await gates.enter('a');
    const order: number[] = [];
    const waiting = Array.from({ length: 32 }, (_, index) => gates.enter('a').then(() => order.push(index)));
    expect(await state(gates.enter('b'))).toBe('leads');
    expect(order).toEqual([]);
    lead?.open();
    await Promise.all(waiting);
    expect(order).toEqual(Array.from({ length: 32 }, (_, index) => index));
    expect(await state(gates.enter('a'))).toBe('leads');
  });

  it('51: the next one leads when the first is broken off, and one that does not wait any more is passed over', async () => {
    const gates = new Gates();
    const lead = await gates.enter('a');
    const gone = new AbortController();
    const waiting = [gates.enter('a', gone.signal), gates.enter('a'), gates.enter('a')];
    gone.abort(new Error('gone'));
    lead?.handOver();
    expect(await states(waiting)).toEqual(['gone', 'leads', 'waits']);
    lead?.open(); // it has nothing to say any more
    expect(await state(waiting[2] as Promise<unknown>)).toBe('waits');
    (await waiting[1])?.open();
    expect(await states(waiting)).toEqual(['gone', 'leads', 'goes on']);
  });

  it('52: a failure is that of those who wait, and of nobody later', async () => {
    const gates = new Gates();
    const lead = await gates.enter('a');
    const waiting = [gates.enter('a'), gates.enter('a')];
    lead?.fail(new Error('down'));
    expect(await states([...waiting, gates.enter('a')])).toEqual(['down', 'down', 'leads']);
  });

  it('11: nobody waits or comes in after its end', async () => {
    const gates = new Gates();
    const lead = await gates.enter('a');
    const waiting = gates.enter('a');
    gates.failAll(new Error('over'));
    lead?.handOver();
    expect(await states([waiting, gates.enter('a'), gates.enter('b')])).toEqual(['over', 'over', 'over']);
  });
});
