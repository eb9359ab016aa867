import { setImmediate as others } from 'node:timers/promises';

const TURN_MS = 10;

/** Runs steps to their end. After every 10 ms of them other requests have their turn: one of thousands of tasks takes a second. */
export async function inTurns<T>(steps: Generator<void, T>): Promise<T> {
  for (let began = performance.now(); ; ) {
    const { done, value } = steps.next();
    if (done) return value;
    if (performance.now() - began < TURN_MS) continue;
    await others();
    began = performance.now();
  }
}
