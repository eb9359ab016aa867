import type { RunningStep, StepEnd } from '../isolation.js';
import { PortedStep } from './ported-step.js';

/** A port that opens when it is told, and notes what becomes of it. */
function port() {
  let open: () => void = () => undefined;
  let fail: (why: Error) => void = open;
  const ready = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  const done: string[] = [];
  const close = async () => {
    done.push('closed');
    fail(new Error('it was closed'));
  };
  return { ready, namespace: '/ns', close, open: () => open(), fail: (why: string) => fail(new Error(why)), done };
}

/** A step that ends when it is told to. */
function running(done: string[]) {
  let end: (end: StepEnd) => void = () => undefined;
  const ended = new Promise<StepEnd>((resolve) => (end = resolve));
  const over = (how: string) => () => {
    done.push(how);
    end({ startedAt: new Date(0), finishedAt: new Date(1), exitCode: 7 });
  };
  return { ended, terminate: over('terminated'), kill: over('killed') } satisfies RunningStep;
}

const started = (on: ReturnType<typeof port>) =>
  new PortedStep(on, (namespace) => {
    on.done.push(`started in ${namespace}`);
    return running(on.done);
  });

it.each(['terminate', 'kill'] as const)('is started once its port is open, which is closed when it has ended (%s)', async (how) => {
  const on = port();
  const step = started(on);
  on.open();
  await on.ready;
  step[how]();
  expect(await step.ended).toEqual({ startedAt: new Date(0), finishedAt: new Date(1), exitCode: 7 });
  expect(on.done).toEqual(['started in /ns', how === 'kill' ? 'killed' : 'terminated', 'closed']);
});

it.each(['terminate', 'kill'] as const)('is never started if it was told to end before (%s)', async (how) => {
  for (const opens of [true, false]) {
    const on = port();
    const step = started(on);
    step[how]();
    if (opens) on.open();
    const end = await step.ended;
    expect(end).toMatchObject({ failure: 'The step was stopped before its sandbox was up' });
    expect(end).not.toHaveProperty('startedAt');
    expect(on.done).toEqual(['closed', 'closed']);
  }
});

it('23: a port that cannot be opened is no step that failed', async () => {
  const on = port();
  const step = started(on);
  on.fail('no more ports');
  expect(await step.ended).toMatchObject({ failure: 'The port of the proxy could not be opened: no more ports' });
  expect(on.done).toEqual(['closed']);
});
