import { AsyncLocalStorage } from 'node:async_hooks';

const running = new AsyncLocalStorage<Clock>();
const realNow = Date.now;
const now = () => running.getStore()?.now() ?? realNow();

/** `Date` of this test file asks the clock of whoever calls it; who has none sees the real one. */
globalThis.Date = new Proxy(Date, {
  construct: (real, given) => Reflect.construct(real, given.length > 0 ? given : [now()]),
  get: (real, name) => (name === 'now' ? now : Reflect.get(real, name)),
});

/**
 * Somebody's own clock, which goes on as time is moved in data. Only what is called within `run` sees it, however long it waits in between:
 * the service in the same process does not, for its server began to listen outside. Timers are not moved.
 */
export class Clock {
  private aheadMs = 0;

  get ahead(): number {
    return this.aheadMs / 1000;
  }

  pass(seconds: number): void {
    this.aheadMs += seconds * 1000;
  }

  now(): number {
    return realNow() + this.aheadMs;
  }

  run<T>(work: () => T): T {
    return running.run(this, work);
  }
}
