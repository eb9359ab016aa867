import fc from 'fast-check';
import { STEP_REASONS, type StepReason } from '../steps/job.js';
import { ON_ERROR, type Step } from './payload.js';
import { StepPlan, type Stop } from './step-plan.js';

type Told = Pick<Step, 'onError'> & { status: Step['when']['status']; reason: StepReason; stop?: Stop };

const stepOf = ({ onError, status }: Pick<Told, 'onError' | 'status'>, index = 0): Step => ({
  name: `s${index}`,
  command: ['true'],
  env: {},
  onError,
  when: { status, all: [] },
  results: [],
  workspace: 'rw',
  network: 'none',
  proxyUrl: false,
  secrets: [],
});

/** Runs what the plan says; `stop` comes while the step runs, or in its place. */
function played(told: readonly Told[]) {
  const plan = new StepPlan(told.map(stepOf));
  const ran: number[] = [];
  for (let turn = plan.next(); turn !== undefined; turn = plan.next()) {
    const { reason, stop } = told[turn.index]!;
    if (turn.run) ran.push(turn.index);
    if (stop !== undefined) plan.stop(stop);
    if (turn.run) plan.ended(turn.index, reason);
  }
  return { ran, outcome: plan.outcome };
}

/** The same by the words of the documentation, looking back over all that was told at each step. */
function oracle(told: readonly Told[]) {
  const ran: number[] = [];
  const before = (index: number) => told.slice(0, index);
  const stopsBefore = (index: number) =>
    before(index).flatMap(({ stop, reason }, at) => {
      const late = at === told.length - 1 && !ran.includes(at) && stop !== 'broken'; // all was over
      const own = !ran.includes(at) ? [] : reason === 'InfrastructureError' ? ['broken'] : [];
      return [...(stop && !late ? [stop] : []), ...own];
    });
  const cancelledItself = (index: number) =>
    before(index).some(({ reason }, at) => ran.includes(at) && reason === 'Cancelled' && stopsBefore(at).length === 0 && !told[at]!.stop);
  const failing = (index: number, ...rules: string[]) =>
    before(index).some(({ reason, onError }, at) => {
      if (!ran.includes(at)) return false;
      if (reason === 'TimeoutExceeded') return rules.includes('stopAndFail');
      return (reason === 'Failed' || reason === 'OOMKilled') && rules.includes(onError);
    });
  const stopped = (index: number) => stopsBefore(index).length > 0 || cancelledItself(index);
  for (const [index, { status }] of told.entries()) {
    if (stopsBefore(index).includes('broken')) continue;
    const hasFailed = failing(index, 'stopAndFail', 'continueAndFail');
    const goesOn = !stopped(index) && !failing(index, 'stopAndFail', 'stopAndSucceed');
    if (status === 'always' || (status === 'failure' ? hasFailed && !stopped(index) : goesOn)) ran.push(index);
  }
  const end = told.length;
  const stops = stopsBefore(end);
  if (stops.includes('broken')) return { ran, outcome: 'broken' };
  if (stops.includes('cancelled') || cancelledItself(end)) return { ran, outcome: 'stopped' };
  const failed = stops.includes('timed-out') || failing(end, 'stopAndFail', 'continueAndFail');
  return { ran, outcome: failed ? 'failed' : 'succeeded' };
}

const status = fc.constantFrom('success' as const, 'failure' as const, 'always' as const);
const stop = fc.option(fc.constantFrom<Stop>('cancelled', 'timed-out', 'broken'), { nil: undefined, freq: 4 });
const step = fc.record({
  onError: fc.constantFrom(...ON_ERROR),
  status,
  reason: fc.constantFrom(...STEP_REASONS),
  stop,
}) as fc.Arbitrary<Told>;

it('runs the steps that the documentation says, and the outcome is what it says', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 7 }), (told) => {
      expect(played(told)).toEqual(oracle(told));
    }),
    { numRuns: 3000 },
  );
});

it('gives each step once, in order', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 7 }), (told) => {
      const plan = new StepPlan(told.map(stepOf));
      const given: number[] = [];
      for (let turn = plan.next(); turn !== undefined; turn = plan.next()) {
        given.push(turn.index);
        plan.ended(turn.index, turn.run ? told[turn.index]!.reason : 'Skipped');
      }
      expect(given).toEqual(told.map((_, index) => index));
    }),
  );
});

const OK = { onError: 'stopAndFail', status: 'success', reason: 'Completed' } as const;

it.each([
  ['stopAndFail', [0], 'failed'],
  ['continue', [0, 1], 'succeeded'],
  ['continueAndFail', [0, 1], 'failed'],
  ['stopAndSucceed', [0], 'succeeded'],
] as const)('a step with onError %s that fails: %j run, and the task %s', (onError, ran, outcome) => {
  expect(played([{ ...OK, onError, reason: 'Failed' }, OK])).toEqual({ ran, outcome });
});

it.each(ON_ERROR)('46: a time-out never goes on, whatever onError (%s) says', (onError) => {
  const cleanUp = { ...OK, status: 'failure' } as const;
  expect(played([{ ...OK, onError, reason: 'TimeoutExceeded' }, OK, cleanUp])).toEqual({ ran: [0, 2], outcome: 'failed' });
});

it('after a failure those run that wait for one, also where the others go on; none where the failure counts as passed', () => {
  const told = (onError: Step['onError']): Told[] => [
    { ...OK, onError, reason: 'Failed' },
    { ...OK, status: 'failure' },
    { ...OK, status: 'always' },
  ];
  expect(played(told('stopAndFail')).ran).toEqual([0, 1, 2]);
  expect(played(told('continueAndFail')).ran).toEqual([0, 1, 2]);
  expect(played(told('continue')).ran).toEqual([0, 2]);
  expect(played(told('stopAndSucceed')).ran).toEqual([0, 2]);
});

it.each([
  ['cancelled', [0, 3], 'stopped'],
  ['timed-out', [0, 3], 'failed'],
  ['broken', [0], 'broken'],
] as const)('stopped (%s) while a step runs: %j run, and the task is %s', (stopped, ran, outcome) => {
  const told: Told[] = [{ ...OK, reason: 'Cancelled', stop: stopped }, OK, { ...OK, status: 'failure' }, { ...OK, status: 'always' }];
  expect(played(told)).toEqual({ ran, outcome });
});

it('a stop after the last step changes nothing, unless nothing can be believed', () => {
  const plan = new StepPlan([stepOf(OK)]);
  plan.next();
  plan.ended(0, 'Completed');
  plan.stop('timed-out');
  plan.stop('cancelled');
  expect(plan.outcome).toBe('succeeded');
  plan.stop('broken');
  expect(plan.outcome).toBe('broken');
});

it('refuses to go on while a step runs, and to end one that does not', () => {
  const plan = new StepPlan([stepOf(OK), stepOf(OK)]);
  expect(() => plan.ended(0, 'Completed')).toThrow(/not the one that runs/);
  plan.next();
  expect(() => plan.next()).toThrow(/has not ended yet/);
  expect(() => plan.ended(1, 'Completed')).toThrow(/not the one that runs/);
});
