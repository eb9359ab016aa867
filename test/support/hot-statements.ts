import { LIST_LENGTH, mark } from '../../src/credentials/status-list.js';
import { readUnsealed } from '../../src/service/audit/sql/read-unsealed.js';
import { sealBlock } from '../../src/service/audit/sql/seal-block.js';
import { findRun } from '../../src/service/auth/sql/find-run.js';
import { findTokenRun } from '../../src/service/auth/tokens/sql/find-token-run.js';
import { insertTaskToken } from '../../src/service/auth/tokens/sql/insert-task-token.js';
import { readStatusList } from '../../src/service/auth/tokens/sql/read-status-list.js';
import { readEvents } from '../../src/service/events/sql/read-events.js';
import type { Statement } from '../../src/service/postgres/sql.js';
import { PRIORITIES } from '../../src/service/queue/priority.js';
import { claimRun } from '../../src/service/queue/sql/claim-run.js';
import { claimRuns } from '../../src/service/queue/sql/claim-runs.js';
import { createTasks } from '../../src/service/queue/sql/create-tasks.js';
import { extendClaim } from '../../src/service/queue/sql/extend-claim.js';
import { failLapsed } from '../../src/service/queue/sql/fail-lapsed.js';
import { failOverdue } from '../../src/service/queue/sql/fail-overdue.js';
import { findClaimsByKey } from '../../src/service/queue/sql/find-claims-by-key.js';
import { findDue } from '../../src/service/queue/sql/find-due.js';
import { findHeldGrant } from '../../src/service/queue/sql/find-held-grant.js';
import { findQueuesWithWork } from '../../src/service/queue/sql/find-queues-with-work.js';
import { findSignature } from '../../src/service/queue/sql/find-signature.js';
import { findTask } from '../../src/service/queue/sql/find-task.js';
import { findUnsettled } from '../../src/service/queue/sql/find-unsettled.js';
import { insertTask } from '../../src/service/queue/sql/insert-task.js';
import { rearmDue } from '../../src/service/queue/sql/rearm-due.js';
import { reduceRun } from '../../src/service/queue/sql/reduce-run.js';
import { reportRuns } from '../../src/service/queue/sql/report-runs.js';
import { reportSignature } from '../../src/service/queue/sql/report-signature.js';
import { resolveGroups } from '../../src/service/queue/sql/resolve-groups.js';
import { resolveRun } from '../../src/service/queue/sql/resolve-run.js';
import { retryLapsed } from '../../src/service/queue/sql/retry-lapsed.js';
import { retryRun } from '../../src/service/queue/sql/retry-run.js';
import { satisfyDependents } from '../../src/service/queue/sql/satisfy-dependents.js';
import { dateRunToken } from '../../src/service/registry/sql/date-run-token.js';
import { auditPlace, DEEP_QUEUE, DEPENDENTS, DUE, groupAt, KEY, PLACES, queueAt, TOKEN_EACH, taskAt } from './million-tasks.js';

/** How a statement is executed on a million tasks. */
export interface Execution {
  statement: Statement<unknown>;
  parameters: unknown[];
  /** How many rows it answers. */
  rows: number;
  /** How many rows it is asked about, where these are more. */
  asked?: number;
  /** How many rows one node looks at, where these are more. */
  looksAt?: number;
}

/** Where a claim begins, of each rank. */
export interface Marks {
  scheduled: readonly string[];
  taskId: readonly string[];
}

const BEGINNING: Marks = { scheduled: PRIORITIES.map(() => '-infinity'), taskId: PRIORITIES.map(() => '') };

const LEASE = 1200;
const DELAY = 60;
/** As many as share a statement (queue/lane.ts). */
const TOGETHER = 64;
/** As many as a sweep takes at once (postgres/housekeeper.ts). */
const BATCH = 200;
/** As many as a sweep reads (queue/sweep.service.ts). Their tasks are of a hundred groups, all of which are looked through. */
const EVENTS = 2_000;
/** As many as are sealed at once (audit/sealer.ts). */
const ENTRIES = 500;

const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));
/** Spread over many pages, and none that another one depends on. */
const running = (nth: number): string => taskAt(PLACES.running.last - 20 * nth - 1);
const tokenOf = (nth: number): string => `token-${running(nth)}`;
const inOneDay = () => new Date(Date.now() + 86_400_000);
const DEFINITION = '{"tags":{},"routes":[]}';

export function claim(wanted: number, marks = BEGINNING): Execution {
  const each = (value: unknown) => times(wanted, () => value);
  const parameters = [
    DEEP_QUEUE,
    each('group'),
    each('worker'),
    each(null),
    wanted,
    LEASE,
    DELAY,
    marks.scheduled,
    marks.taskId,
    each('client'),
  ];
  return { statement: claimRuns, parameters, rows: wanted };
}

function create(count: number): Execution {
  const each = (value: unknown) => times(count, () => value);
  const ids = times(count, (nth) => `new-${nth}`);
  const groups = times(count, (nth) => (nth % 2 ? groupAt(nth * 1000) : `new-group-${nth}`));
  const stored = [ids, each(DEFINITION), each(Buffer.alloc(32)), each('["scope"]'), each(5), each(inOneDay())];
  const task = [times(count, queueAt), groups, each('-'), each('none'), each(4), each(inOneDay())];
  return {
    statement: createTasks,
    parameters: [...stored, ...task, DELAY, each('client'), each(inOneDay()), each(null), each(null), each('a.b.c'), each('{}')],
    rows: count,
    looksAt: count * count,
  }; // compared in memory
}

export function report(state: string, reason: string | null): Execution {
  const parameters = [
    times(TOGETHER, running),
    times(TOGETHER, () => 0),
    times(TOGETHER, () => state),
    times(TOGETHER, () => reason),
    LEASE,
    times(TOGETHER, () => 'client'),
  ];
  return { statement: reportRuns, parameters, rows: TOGETHER };
}

/** Of a list most of whose tokens have ended, as is known: nothing is looked up for those. */
function statusList(alive: number): Execution {
  const first = Math.floor(PLACES.running.first / LIST_LENGTH) * LIST_LENGTH;
  const known = Buffer.alloc(LIST_LENGTH / 8);
  const others = Array.from({ length: LIST_LENGTH }, (_, idx) => idx).filter(
    (idx) => first + idx >= PLACES.running.first + alive * TOKEN_EACH,
  );
  mark(known, others);
  mark(
    known,
    times(PLACES.running.first - first, (idx) => idx),
  );
  return {
    statement: readStatusList,
    parameters: [first, LIST_LENGTH, known],
    rows: 1,
    asked: alive,
    looksAt: LIST_LENGTH / TOKEN_EACH + 1,
  };
}

/** Those through HotSql. */
export const hotStatements = (): Execution[] => [
  claim(32),
  report('running', null),
  report('completed', 'completed'),
  create(TOGETHER),
  { statement: findClaimsByKey, parameters: [times(16, (nth) => Buffer.alloc(32, nth)), times(16, () => 'client')], rows: 0, asked: 16 },
  { statement: findQueuesWithWork, parameters: [[...times(99, (nth) => `none/${nth}`), DEEP_QUEUE]], rows: 1, asked: 100 },
];

/** Those through Sql that are executed for each task, or all the time. */
export const otherStatements = (): Execution[] => [...ofOneTask(), ...ofTheSweep(), ...ofWhoListens()];

function ofOneTask(): Execution[] {
  const definition = ['new', DEFINITION, Buffer.alloc(32), ['scope'], 5, inOneDay()];
  const task = [queueAt(1), groupAt(1), '-', 'none', 4, inOneDay(), 0, DELAY, 'client', inOneDay(), null, null, 'a.b.c', '{}'];
  return [
    { statement: insertTask, parameters: [...definition, ...task], rows: 1 },
    { statement: findTask, parameters: [taskAt(20)], rows: 1 },
    { statement: claimRun, parameters: [taskAt(PLACES.deep.last - 1), 0, 'group', 'worker', LEASE, DELAY, 'client'], rows: 1 },
    { statement: findRun, parameters: [running(1), 0], rows: 1 },
    { statement: findTokenRun, parameters: [tokenOf(1), running(1), 0, KEY, 1, 4_000_000_000], rows: 1 },
    {
      statement: insertTaskToken,
      parameters: ['new', running(1), 0, 'group', 'worker', KEY, 900, 3_600, null, [tokenOf(1)], 1_000, 0],
      rows: 1,
    },
    {
      statement: dateRunToken,
      parameters: [300, 4_000_000_000, 'jti', 'service', JSON.stringify([{ name: 'a' }]), running(1), 0, 'group', 'worker'],
      rows: 1,
    },
    { statement: extendClaim, parameters: [running(1), 0, LEASE, 'client'], rows: 1 },
    { statement: findHeldGrant, parameters: [running(1), 0], rows: 1 },
    { statement: reduceRun, parameters: [running(1), 0, [], ['scope'], null], rows: 1 },
    { statement: resolveRun, parameters: [running(1), 0, 'completed', 'completed', null], rows: 1 },
    { statement: reportSignature, parameters: [running(1), 0, '{}'], rows: 1 },
    { statement: findSignature, parameters: [taskAt(20)], rows: 1 },
    { statement: retryRun, parameters: [running(1), 0, 'worker-shutdown', 'retry', DELAY, null, null, null], rows: 1 },
    {
      statement: satisfyDependents,
      parameters: [taskAt(PLACES.unsettled.first)],
      rows: DEPENDENTS,
      asked: DEPENDENTS + 1,
      looksAt: 8 * DEPENDENTS, // a bitmap does not know which entries are of executions that were undone
    },
  ];
}

function ofTheSweep(): Execution[] {
  return [
    { statement: findDue, parameters: [], rows: 1 },
    { statement: rearmDue, parameters: [DELAY, BATCH], rows: BATCH, looksAt: DUE },
    { statement: retryLapsed, parameters: [DELAY, BATCH], rows: BATCH, looksAt: DUE },
    { statement: failLapsed, parameters: [BATCH], rows: BATCH, looksAt: DUE },
    { statement: failOverdue, parameters: [DELAY, BATCH], rows: BATCH, looksAt: DUE },
    { statement: findUnsettled, parameters: [BATCH], rows: BATCH, looksAt: DUE },
    { statement: resolveGroups, parameters: [EVENTS], rows: 1, asked: EVENTS, looksAt: 5 * EVENTS },
  ];
}

function ofWhoListens(): Execution[] {
  return [
    { statement: readEvents, parameters: ['500', '100', 100], rows: 100 },
    { statement: readUnsealed, parameters: ['500', '100', ENTRIES], rows: ENTRIES },
    statusList(TOGETHER),
    {
      statement: sealBlock,
      parameters: [0, 1, ENTRIES, Buffer.alloc(32 * ENTRIES), ...auditPlace(PLACES.unsettled.last), inOneDay(), Buffer.alloc(32)],
      rows: 1,
      looksAt: 2, // marks
    },
  ];
}
