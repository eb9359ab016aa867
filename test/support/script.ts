import fc from 'fast-check';
import { PRIORITIES } from '../../src/service/queue/priority.js';
import { WORKER_REASONS } from '../../src/service/queue/run-state.js';
import { MOST_TASKS, type Wish, WORKERS } from './world.js';

export const OUTCOMES = ['completed', 'failed', ...WORKER_REASONS] as const;
const COMMANDS = 32;

export type Which = 'latest' | 'before' | 'none';
/** Whose credentials: those of root, those lent for the run, or those lent for the run before it. */
export type By = 'root' | 'run' | 'past';

/**
 * One thing to happen. Tasks, groups, queues and workers are meant by their number; what there is not yet is passed over. From
 * MOST_TASKS on, a number means one of the tasks that run at that moment, without which workers would mostly speak of others.
 */
export type Command =
  | ({ kind: 'create' } & Wish)
  | { kind: 'createAgain'; task: number; differently: '' | 'payload' | 'group' }
  | { kind: 'schedule' | 'cancel' | 'rerun' | 'overdue' | 'pastDeadline' | 'wearOut'; task: number }
  | { kind: 'priority'; task: number; rank: number }
  | { kind: 'lapse'; task: number; swept: boolean }
  | { kind: 'sweep' }
  | { kind: 'claimWork'; queue: number; count: number; worker: number }
  | { kind: 'claimTask'; task: number; run: Which; worker: number }
  | { kind: 'reclaim'; task: number; run: Which; by: By }
  | { kind: 'report'; task: number; run: Which; by: By; outcome: (typeof OUTCOMES)[number] }
  | { kind: 'quarantine' | 'release'; queue: number; worker: number }
  | { kind: 'seal' | 'cancelGroup'; group: number }
  | { kind: 'groupPriority'; group: number; rank: number };

/** What happens to one world, in order. A failure prints it as a list to be read. */
export class Script {
  constructor(readonly commands: readonly Command[]) {}

  [fc.toStringMethod](): string {
    const created = (before: number) => this.commands.slice(0, before).filter(({ kind }) => kind === 'create').length;
    return `\n${this.commands.map((command, index) => `  ${index + 1}. ${told(command, created(index))}`).join('\n')}\n`;
  }
}

/** A command in words; tasks are called a, b, c … in the order in which they are created, of which there are `known` by then. */
export function told(command: Command, known: number): string {
  const task = 'task' in command ? nameOf(command.task) : '';
  const run = 'run' in command && command.run !== 'latest' ? `, ${command.run === 'none' ? 'a run to come' : 'the run before'}` : '';
  const by =
    'by' in command && command.by !== 'root' ? `, with the credentials of ${command.by === 'run' ? 'that run' : 'a run before it'}` : '';
  const worker = 'worker' in command ? `worker ${WORKERS[command.worker]}` : '';
  switch (command.kind) {
    case 'create':
      return toldWish(command, known);
    case 'createAgain':
      return `create ${task} again, ${command.differently ? `with another ${command.differently}` : 'identically'}`;
    case 'priority':
      return `change the priority of ${task} to ${PRIORITIES[command.rank]}`;
    case 'lapse':
      return `let the lease of ${task} lapse${command.swept ? ' and sweep' : ''}`;
    case 'sweep':
      return 'sweep';
    case 'claimWork':
      return `claimWork by ${worker} on queue ${command.queue}, up to ${command.count}`;
    case 'claimTask':
      return `claimTask ${task} by ${worker}${run}`;
    case 'report':
      return `report ${task} ${command.outcome}${run}${by}`;
    case 'quarantine':
    case 'release':
      return `${command.kind} ${worker} on queue ${command.queue}`;
    case 'seal':
    case 'cancelGroup':
      return `${command.kind} ${command.group}`;
    case 'groupPriority':
      return `change the priority of group ${command.group} to ${PRIORITIES[command.rank]}`;
    default:
      return `${command.kind} ${task}${run}${by}`;
  }
}

function toldWish({ group, queue, rank, scheduler, retries, on, self, anyOutcome }: Wish, known: number): string {
  const required = [...on.filter((task) => task < known).map(nameOf), ...(self ? ['itself'] : [])];
  const waits = required.length > 0 ? ` after ${required.join(', ')} (${anyOutcome ? 'all-resolved' : 'all-completed'})` : '';
  return `create in group ${group} of scheduler ${scheduler}, queue ${queue}, ${PRIORITIES[rank]}, ${retries} retries${waits}`;
}

function nameOf(task: number): string {
  return 'abcdef'[task] ?? `the running task no. ${task - MOST_TASKS + 1}`;
}

const usually = <T, U>(often: T, weight: number, ...else_: U[]) =>
  fc.oneof({ weight, arbitrary: fc.constant(often) }, { weight: 1, arbitrary: fc.constantFrom(...else_) });
const kinds = <K extends string>(...names: K[]) => fc.constantFrom(...names);
const task = fc.constantFrom(0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5); // the last are created late, if at all
const busy = fc.oneof(task, fc.integer({ min: MOST_TASKS, max: MOST_TASKS + 2 }));
const queue = usually(0, 3, 1);
const group = usually(0, 3, 1);
const worker = fc.nat(WORKERS.length - 1);
const rank = fc.constantFrom(6, 6, 3, 0); // lowest, medium, highest
const run = usually('latest' as const, 9, 'before' as const, 'none' as const);
const by = fc.constantFrom<By>('root', 'run', 'run', 'past');

const create = fc.record({
  kind: fc.constant('create' as const),
  group,
  queue,
  rank,
  scheduler: usually('one', 15, 'other'),
  retries: fc.constantFrom(0, 1, 0, 2, 49),
  on: fc.oneof({ withCrossShrink: true }, fc.constant<number[]>([]), fc.uniqueArray(fc.nat(3), { minLength: 1, maxLength: 3 })),
  self: usually(false, 7, true),
  anyOutcome: fc.boolean(),
});

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: create },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: kinds('createAgain'),
      task,
      differently: fc.constantFrom('' as const, 'payload' as const, 'group' as const),
    }),
  },
  { weight: 18, arbitrary: fc.record({ kind: kinds('schedule', 'cancel', 'rerun', 'rerun', 'rerun'), task }) },
  { weight: 6, arbitrary: fc.record({ kind: kinds('overdue', 'overdue', 'overdue', 'pastDeadline', 'pastDeadline', 'wearOut'), task }) },
  { weight: 5, arbitrary: fc.record({ kind: kinds('priority'), task, rank }) },
  { weight: 12, arbitrary: fc.record({ kind: kinds('lapse'), task: busy, swept: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: kinds('sweep') }) },
  { weight: 32, arbitrary: fc.record({ kind: kinds('claimWork'), queue, count: fc.constantFrom(1, 1, 2, 3), worker }) },
  { weight: 18, arbitrary: fc.record({ kind: kinds('claimTask'), task, run, worker }) },
  { weight: 8, arbitrary: fc.record({ kind: kinds('reclaim'), task: busy, run, by }) },
  {
    weight: 36,
    arbitrary: fc.record({ kind: kinds('report'), task: busy, run, by, outcome: usually('completed' as const, 1, ...OUTCOMES) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: kinds('quarantine', 'release'), queue, worker }) },
  { weight: 8, arbitrary: fc.record({ kind: kinds('seal', 'cancelGroup'), group }) },
  { weight: 3, arbitrary: fc.record({ kind: kinds('groupPriority'), group, rank }) },
);

/** Always long, for the start matters least; a counterexample shrinks by commands turning into nothing. */
export const script: fc.Arbitrary<Script> = fc
  .tuple(some(create, 5), some(command, COMMANDS))
  .map(([first, rest]) => new Script([...first, ...rest].filter((one) => one !== null)));

function some<T>(of: fc.Arbitrary<T>, count: number): fc.Arbitrary<(T | null)[]> {
  return fc.array(fc.option(of, { freq: 20 }), { minLength: count, maxLength: count });
}
