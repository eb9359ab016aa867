import { createLeaseholdClient } from '../../client/client.js';
import type { Log } from '../log.js';
import type { ShownRun } from '../progress.js';
import { leaseEnd } from '../queue/lease.js';
import { type Report, reportRun } from '../runs/report-run.js';
import { RunRedactor } from '../runs/run-redactor.js';
import type { RunSetting } from '../runs/run-setting.js';
import { TaskDir } from '../runs/task-dir.js';
import { TaskRun } from '../runs/task-run.js';
import { ClaimKeeper } from './claim-keeper.js';
import type { Lesson, Offer } from './claim-loop.js';
import { ClaimRefused } from './claim-refused.js';
import { credentialsIn, type QueuesWord } from './queues-word.js';
import type { Run } from './seen-runs.js';
import { refusalReport, verdictReport } from './verdict-report.js';
import { type ClearedTask, verifyClaim } from './verify-claim.js';

/** Milliseconds for telling the queue of a run that does not begin. It holds a place for as long. */
const TOLD_WITHIN = 60_000;
/** And for telling it where the worker ends at once. */
const HURRIED = 2_000;

/** The life of one claim: verified before anything else is done, told of, kept, run, reported and cleared away. Never rejects. */
export async function runTask(offer: Offer, learn: (lesson: Lesson) => void, setting: RunSetting): Promise<void> {
  const task = cleared(offer, setting, learn);
  if (!('definition' in task)) return task.refused;
  const log = setting.log.with({ taskId: task.taskId, runId: task.runId });
  if (task.queue.credentials.clientId === undefined || task.queue.credentials.accessToken === undefined)
    return log.warn('A claim without credentials is left alone');
  const redactor = new RunRedactor(setting.redactor);
  const keeper = keeperOf(task, offer, redactor, setting, log);
  const shown: ShownRun = {
    ...namesOf(task),
    doing: '(beginning)',
    since: performance.now(),
    begun: performance.now(),
    leaseLeft: () => keeper.leaseLeft,
  };
  setting.keepers.add(keeper);
  setting.progress.show(shown);
  keeper.begin();
  try {
    await keptRun({ task, offer, keeper, redactor, shown, setting, log });
  } catch (error) {
    log.error('The run was given up', { why: (error as Error).message });
  } finally {
    keeper.end();
    setting.keepers.delete(keeper);
    setting.progress.hide(shown);
  }
}

/** Gives a claim back, for another worker to take; it is verified all the same. Never rejects. */
export async function declineTask(offer: Offer, why: string, setting: RunSetting): Promise<void> {
  const task = cleared(offer, setting, () => undefined);
  if (!('definition' in task)) return task.refused;
  const log = setting.log.with({ taskId: task.taskId, runId: task.runId });
  log.info('The run is given back', { why });
  await tellOf(task, task.queue, { what: 'exception', body: { reason: 'worker-shutdown' } }, offer, setting, log);
}

interface Kept {
  task: ClearedTask;
  offer: Offer;
  keeper: ClaimKeeper;
  redactor: RunRedactor;
  shown: ShownRun;
  setting: RunSetting;
  log: Log;
}

async function keptRun(kept: Kept): Promise<void> {
  const { task, keeper, log, setting } = kept;
  log.info('A run begins', { verdict: task.verdict, code: task.code, kid: task.kid, isolation: setting.config.isolation });
  if (!(await told({ what: 'signature', body: verdictReport(task) }, kept))) return;
  const report = await reportOf(kept);
  const isOurs = !keeper.lost.aborted;
  keeper.end(); // or the event that what is told now brings about would take the run away
  const isHeard = report !== undefined && isOurs && (await told(report, kept));
  log.info('A run has ended', { reported: isHeard ? nameOf(report) : 'nothing' });
}

/** What fails is the worker, by a full disk, say; so the task is to be tried again, and not to be blamed. The directory is gone afterwards. */
async function reportOf({ offer, ...kept }: Kept): Promise<Report | undefined> {
  let directory: TaskDir | undefined;
  try {
    directory = TaskDir.make(kept.setting.config.workDir);
    return await new TaskRun({ ...kept, directory, taskQueueId: offer.taskQueueId }).toItsEnd();
  } catch (error) {
    kept.log.error('The worker has failed', { why: (error as Error).message });
    return { what: 'exception', body: { reason: 'intermittent-task' } };
  } finally {
    await directory?.remove().catch((error: Error) => kept.log.error(error.message));
  }
}

const nameOf = (report: Report) => (report.what === 'exception' ? report.body.reason : report.what);
const namesOf = ({ taskId, runId }: Run) => ({ taskId, runId });

function told(report: Report, { task, keeper, setting, log }: Kept): Promise<boolean> {
  const within = setting.hurry.aborted ? HURRIED : Math.max(HURRIED, keeper.leaseLeft);
  return reportRun(report, { client: keeper.client, run: task, within, signal: keeper.lost, log });
}

function keeperOf(task: ClearedTask, { answer }: Offer, redactor: RunRedactor, { config }: RunSetting, log: Log): ClaimKeeper {
  const { queue, definition } = task;
  const deadline = Date.parse(String(definition.deadline));
  const lent = ({ accessToken }: { accessToken: string }) => redactor.addToken(accessToken);
  return new ClaimKeeper({ run: task, rootUrl: config.rootUrl, queue, answer, deadline, lent, log });
}

/** The task of a claim, or what becomes of a claim that is refused. */
function cleared(offer: Offer, setting: RunSetting, learn: (lesson: Lesson) => void): ClearedTask | { refused: Promise<void> } {
  try {
    return verifyClaim(offer.claim, setting.terms(offer.taskQueueId));
  } catch (error) {
    const refused = error as ClaimRefused; // it throws nothing else
    learn(refused);
    return { refused: tellRefused(refused, offer, setting) };
  }
}

async function tellRefused(refused: ClaimRefused, offer: Offer, setting: RunSetting): Promise<void> {
  const { run, queue, message, code, reason } = refused;
  const log = setting.log.with({ taskId: run?.taskId, runId: run?.runId });
  log.warn('A claim is refused', { why: message, code, reason });
  const body = refusalReport(refused);
  if (run && queue && body) await tellOf(run, queue, { what: 'exception', body }, offer, setting, log);
}

async function tellOf(run: Run, queue: QueuesWord, report: Report, { answer }: Offer, setting: RunSetting, log: Log): Promise<void> {
  const credentials = credentialsIn(queue);
  if (!credentials) return log.warn('The queue lent no credentials to tell it of this run');
  const client = createLeaseholdClient({ rootUrl: setting.config.rootUrl, credentials: () => credentials });
  const left = Math.min(TOLD_WITHIN, leaseEnd(queue.takenUntil, answer) - performance.now());
  await reportRun(report, { client, run, within: Math.max(HURRIED, left), signal: setting.hurry, log });
}
