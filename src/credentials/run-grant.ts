import { satisfies } from '../scopes/scope.js';
import { intersectScopes, unheldScopes } from '../scopes/scope-set.js';

/** A run that a worker holds. `taskScopes` are task.scopes, or what is left of them. */
export interface HeldRun {
  taskId: string;
  runId: number;
  workerGroup: string;
  workerId: string;
  takenUntil: Date;
  taskScopes: readonly string[];
  /** task.scopes, where less is left of them. */
  definedScopes?: readonly string[];
}

export type RunId = Pick<HeldRun, 'taskId' | 'runId'>;
export type RunHolder = Omit<HeldRun, 'takenUntil' | 'taskScopes' | 'definedScopes'>;

/**
 * Characters of JSON that a certificate may spend on scopes. A Hawk header ends at 4 096; task.scopes must fit twice, because
 * taskcluster-proxy repeats them as authorizedScopes, and base64 adds a third: (4 096 - 300) * 3/4 - 260 = 2 587, halved.
 */
const SCOPES_BUDGET = 1_280;

/** The client that signs the credentials of runs. Its key never leaves the service, and nobody can log in as it. */
export const QUEUE_ISSUER = 'static/leasehold/queue';

/** The clientId of a run's credentials: who runs what, until when (in seconds, with the milliseconds as a fraction). */
export function runClientId({ taskId, runId, workerGroup, workerId, takenUntil }: Omit<HeldRun, 'taskScopes' | 'definedScopes'>): string {
  return `task-client/${taskId}/${runId}/on/${workerGroup}/${workerId}/until/${takenUntil.getTime() / 1000}`;
}

const RUN_CLIENT_ID = /^task-client\/([A-Za-z0-9_-]{22})\/(\d{1,4})\/on\/([A-Za-z0-9_-]{1,38})\/([A-Za-z0-9_-]{1,38})\/until\/[\d.]+$/;

/** Which run a clientId names, and who held it. Only believe it in a certificate that the queue signed. */
export function parseRunClientId(clientId: string): RunHolder | undefined {
  const [, taskId, runId, workerGroup, workerId] = RUN_CLIENT_ID.exec(clientId) ?? [];
  if (!taskId || !workerGroup || !workerId) return undefined;
  return { taskId, runId: Number(runId), workerGroup, workerId };
}

/** The role of being this run: what stands in for the worker's own identity. */
export function runRole({ taskId, runId }: RunId): string {
  return `assume:task-run:${taskId}/${runId}`;
}

/** What decides about the run itself. */
export function ownRunScopes({ taskId, runId }: RunId): string[] {
  return [`queue:reclaim-task:${taskId}/${runId}`, `queue:resolve-task:${taskId}/${runId}`];
}

export function createArtifactScope({ taskId, runId }: RunId): string {
  return `queue:create-artifact:${taskId}/${runId}`;
}

/**
 * All that holding a run entitles to: its role, its own three scopes, and task.scopes. A task that asks to be its own worker,
 * by name or by a pattern under `worker-id:` that covers the name, gets to be this run instead: credentials of a run that
 * could act as the worker could claim the next task, and hold more than the task they are running.
 */
export function runScopes(run: Omit<HeldRun, 'takenUntil'>): string[] {
  const scopes = withoutWorkerIdentity(run.taskScopes, run);
  return [...new Set([runRole(run), ...ownRunScopes(run), createArtifactScope(run), ...scopes])];
}

/** Scopes in which being the run stands for being its worker: also those that a proxy repeats from task.scopes. */
export function withoutWorkerIdentity(scopes: readonly string[], run: RunHolder): string[] {
  return scopes.map((scope) => (isWorkerIdentity(scope, run) ? runRole(run) : scope));
}

/**
 * What credentials of a run are restricted to, where the run was left with less than it had: of each scope that it had, what is left. A
 * proxy repeats task.scopes as authorizedScopes with every call, and all of them would be refused. What it never had stays, and is refused.
 */
export function authorizedRest(authorizedScopes: readonly string[], had: readonly string[], held: readonly string[]): string[] {
  const never = unheldScopes(had, authorizedScopes);
  const once = new Set(never);
  return [
    ...never,
    ...intersectScopes(
      authorizedScopes.filter((scope) => !once.has(scope)),
      held,
    ),
  ];
}

/** Whether a scope lets its holder act as this worker, by name or by a pattern under `worker-id:`. */
export function isWorkerIdentity(scope: string, { workerGroup, workerId }: Pick<HeldRun, 'workerGroup' | 'workerId'>): boolean {
  return ['assume:worker-id', 'queue:worker-id'].some(
    (name) => scope.startsWith(name) && satisfies(scope, `${name}:${workerGroup}/${workerId}`),
  );
}

/** What the certificate lists: everything while that is short, otherwise only the role, which authentication expands to the same. */
export function certificateScopes(run: Omit<HeldRun, 'takenUntil'>): string[] {
  const scopes = runScopes(run);
  const repeated = run.definedScopes ?? run.taskScopes; // a proxy repeats them as they are, duplicates included
  return Math.max(jsonLength(scopes), jsonLength(repeated)) <= SCOPES_BUDGET ? scopes : [runRole(run)];
}

/** Characters of a list of scopes as JSON, which escapes none of theirs: two quotes and a comma each, two brackets, no last comma. */
function jsonLength(scopes: readonly string[]): number {
  return scopes.reduce((sum, scope) => sum + scope.length + 3, scopes.length > 0 ? 1 : 2);
}

/** A run as the database sees it now. */
export interface RunState {
  state: string;
  reasonResolved: string | null;
  /** Its lease has not lapsed. */
  leased: boolean;
  /** It ended less than 25 minutes ago. */
  recent: boolean;
}

/**
 * What credentials of a run are still good for: everything while it runs under its lease; uploading what explains the end for
 * 25 minutes after an exception; otherwise nothing.
 */
export function runStanding({ state, leased, recent }: RunState): 'everything' | 'artifacts' | 'nothing' {
  if (state === 'running') return leased ? 'everything' : 'nothing';
  return state === 'exception' && recent ? 'artifacts' : 'nothing';
}

/** Why credentials of this run are refused, for its holder. */
export function whyRunIsOver({ taskId, runId }: RunId, run: RunState | undefined): string {
  const name = `run ${runId} of task ${taskId}`;
  if (!run) return `The credentials are those of ${name}, which does not exist any more`;
  if (run.state === 'running') return `The credentials are those of ${name}, whose lease has lapsed (claim-expired)`;
  const reason = run.reasonResolved && run.reasonResolved !== run.state ? ` (${run.reasonResolved})` : '';
  return `The credentials are those of ${name}, which is ${run.state}${reason}; they ended with it`;
}
