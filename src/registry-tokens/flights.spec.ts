import { describe, expect, it } from '@jest/globals';
import { Flights } from './flights.js';

/** Work whose end the test decides, and the signals it was given. */
function work() {
  const begun: { signal: AbortSignal; end: (value: string) => void; fail: (error: Error) => void }[] = [];
  const begin = (signal: AbortSignal) => new Promise<string>((end, fail) => begun.push({ signal, end, fail }));
  return { begun, begin };
}

describe('what several want at once', () => {
  it('49: is done once, and again for who comes later', async () => {
    const flights = new Flights<string>();
    const { begun, begin } = work();
    const all = Array.from({ length: 32 }, () => flights.join('a', begin));
    expect(begun).toHaveLength(1);
    begun[0]?.end('token');
    expect(await Promise.all(all)).toEqual(Array(32).fill('token'));
    const later = flights.join('a', begin);
    begun[1]?.end('next');
    expect(await later).toBe('next');
  });

  it('51: goes on when the one that began it is gone, and ends with the last one', async () => {
    const flights = new Flights<string>();
    const { begun, begin } = work();
    const [first, second] = [new AbortController(), new AbortController()];
    const waiting = [flights.join('a', begin, first.signal), flights.join('a', begin, second.signal)];
    first.abort(new Error('gone'));
    await expect(waiting[0]).rejects.toThrow('gone');
    expect(begun[0]?.signal.aborted).toBe(false);
    second.abort(new Error('gone, too'));
    await expect(waiting[1]).rejects.toThrow('gone, too');
    expect(begun[0]?.signal.aborted).toBe(true);
    const later = flights.join('a', begin); // is not given what is being broken off
    begun[1]?.end('token');
    expect(await later).toBe('token');
  });

  it('52: fails for all that wait, and for nobody later', async () => {
    const flights = new Flights<string>();
    const { begun, begin } = work();
    const waiting = [flights.join('a', begin), flights.join('a', begin)];
    begun[0]?.fail(new Error('down'));
    const outcomes = await Promise.allSettled(waiting);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const later = flights.join('a', begin);
    begun[1]?.end('up');
    expect(await later).toBe('up');
  });

  it('11: is broken off at the end, and not begun after it', async () => {
    const flights = new Flights<string>();
    const { begun, begin } = work();
    const waiting = flights.join('a', begin);
    flights.abortAll(new Error('over'));
    await expect(waiting).rejects.toThrow('over');
    await expect(flights.join('a', begin)).rejects.toThrow('over');
    expect(begun.map(({ signal }) => signal.aborted)).toEqual([true]);
  });
});
