import fc from 'fast-check';
import { type Happening, type Life, MOST_RUNS, next, RETRIED, stateOf, WORKER_REASONS } from './run-state.js';

const ENDED = ['completed', 'failed', 'exception'];

const newborn = (retries = 5): Life => ({ runs: [], retries, retriesLeft: retries });
const through = (life: Life, ...happenings: Happening[]): Life =>
  happenings.reduce((before, happening) => {
    const after = next(before, happening);
    if (!after) throw new Error(`${happening.kind} is refused in ${stateOf(before)}`);
    return after;
  }, life);
const resolve = (state: 'completed' | 'failed' | 'exception', reason: (typeof WORKER_REASONS)[number] | 'completed' | 'failed') =>
  ({ kind: 'resolve', state, reason }) as Happening;
const schedule: Happening = { kind: 'schedule' };
const claim: Happening = { kind: 'claim' };
const completed = resolve('completed', 'completed');

const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(schedule, { kind: 'reclaim' } as const, { kind: 'cancel' } as const, { kind: 'overdue' } as const),
  },
  { weight: 3, arbitrary: fc.constantFrom({ kind: 'rerun' } as const, { kind: 'lapse' } as const) },
  { weight: 4, arbitrary: fc.constant(claim) },
  { weight: 1, arbitrary: fc.constantFrom(completed, resolve('failed', 'failed')) },
  { weight: 2, arbitrary: fc.constantFrom(...WORKER_REASONS).map((reason) => resolve('exception', reason)) },
);

describe('the table', () => {
  it('knows every way through a life', () => {
    const pending = through(newborn(), schedule);
    expect(pending.runs).toEqual([{ state: 'pending', reasonCreated: 'scheduled' }]);
    const running = through(pending, claim);
    expect(stateOf(running)).toBe('running');
    expect(through(running, { kind: 'reclaim' })).toBe(running);
    expect(through(running, completed).runs).toEqual([{ state: 'completed', reasonCreated: 'scheduled', reasonResolved: 'completed' }]);
    expect(through(running, completed, completed)).toEqual(through(running, completed));
    for (const [reason, reasonCreated] of Object.entries(RETRIED)) {
      const over = reason === 'claim-expired' ? ({ kind: 'lapse' } as const) : resolve('exception', reason as 'worker-shutdown');
      expect(through(running, over)).toEqual({
        retries: 5,
        retriesLeft: 4,
        runs: [
          { state: 'exception', reasonCreated: 'scheduled', reasonResolved: reason },
          { state: 'pending', reasonCreated },
        ],
      });
      expect(stateOf(through(newborn(0), schedule, claim, over))).toBe('exception');
    }
    for (const kind of ['cancel', 'overdue'] as const) {
      const reasonResolved = kind === 'cancel' ? 'canceled' : 'deadline-exceeded';
      expect(through(newborn(), { kind }).runs).toEqual([{ state: 'exception', reasonCreated: 'exception', reasonResolved }]);
      for (const life of [pending, running]) {
        expect(through(life, { kind })).toMatchObject({ retriesLeft: 5, runs: [{ state: 'exception', reasonResolved }] });
      }
    }
    expect(through(newborn(), { kind: 'rerun' }).runs).toEqual([{ state: 'pending', reasonCreated: 'rerun' }]);
  });

  it('refuses what does not fit the state, and only that', () => {
    const lives: Record<string, Life> = {
      unscheduled: newborn(),
      pending: through(newborn(), schedule),
      running: through(newborn(), schedule, claim),
      completed: through(newborn(), schedule, claim, completed),
      failed: through(newborn(), schedule, claim, resolve('failed', 'failed')),
      exception: through(newborn(), { kind: 'cancel' }),
    };
    const allowed: Record<string, string[]> = {
      claim: ['pending'],
      reclaim: ['running'],
      resolve: ['running', 'completed'],
      schedule: Object.keys(lives),
      cancel: Object.keys(lives),
      rerun: Object.keys(lives),
      lapse: Object.keys(lives),
      overdue: Object.keys(lives),
    };
    for (const [kind, states] of Object.entries(allowed)) {
      const what = kind === 'resolve' ? completed : ({ kind } as Happening);
      expect(Object.keys(lives).filter((state) => next(lives[state]!, what) !== undefined)).toEqual(states);
    }
  });

  it('gives a rerun its retries back, as far as runs are left', () => {
    let life = through(newborn(49), schedule, claim, completed);
    for (let runs = 2; runs <= MOST_RUNS; runs++) {
      life = through(life, { kind: 'rerun' });
      expect([life.runs.length, life.retriesLeft]).toEqual([runs, MOST_RUNS - runs]);
      life = through(life, claim, completed);
    }
    expect(next(life, { kind: 'rerun' })).toBeUndefined();
  });
});

it('whatever happens: one open run at most, and the last; never more than 50; retries never below nothing; the past stays', () => {
  const retries = fc.constantFrom(0, 1, 5, 48, 49);
  fc.assert(
    fc.property(retries, fc.array(happening, { maxLength: 400, size: 'max' }), (given, happenings) => {
      let life = newborn(given);
      for (const one of happenings) {
        const before = JSON.stringify(life);
        const after = next(life, one);
        if (JSON.stringify(life) !== before) throw new Error('changed in place');
        if (!after) continue;
        const past = life.runs.filter(({ state }) => ENDED.includes(state));
        const holds = {
          mostRuns: after.runs.length <= MOST_RUNS && after.runs.length + after.retriesLeft <= MOST_RUNS,
          retries: after.retriesLeft >= 0 && after.retriesLeft <= given,
          consecutive: [0, 1].includes(after.runs.length - life.runs.length),
          oneOpen: after.runs.slice(0, -1).every(({ state }) => ENDED.includes(state)),
          reasons: after.runs.every(({ state, reasonResolved }) => ENDED.includes(state) === (reasonResolved !== undefined)),
          past: JSON.stringify(after.runs.slice(0, past.length)) === JSON.stringify(past),
        };
        if (Object.values(holds).includes(false)) expect(holds).toEqual({});
        life = after;
      }
    }),
    { numRuns: 60 },
  );
});

it('happening twice is happening once, for all that schedulers and time do', () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 60 }), (happenings) => {
      const life = happenings.reduce((before, one) => next(before, one) ?? before, newborn());
      for (const kind of ['schedule', 'cancel', 'overdue', 'lapse'] as const) {
        const once = next(life, { kind });
        expect(once && next(once, { kind })).toEqual(once);
      }
    }),
  );
});
