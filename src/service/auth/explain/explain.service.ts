import { Injectable } from '@nestjs/common';
import { runGivens } from '../../../credentials/run-givens.js';
import {
  createArtifactScope,
  isWorkerIdentity,
  QUEUE_ISSUER,
  type RunHolder,
  type RunId,
  runStanding,
  whyRunIsOver,
} from '../../../credentials/run-grant.js';
import { grantingRoles } from '../../../scopes/granting-roles.js';
import { normalHolds } from '../../../scopes/scope-set.js';
import { ApiError } from '../../http/api-error.js';
import type { Caller, CallerRun, Grounds } from '../../http/caller.js';
import { Sql } from '../../postgres/sql.js';
import { type Client, Registry } from '../registry.js';
import { RunAuthority } from '../run-authority.js';
import { findRun } from '../sql/find-run.js';
import { listUses } from '../sql/list-uses.js';
import type { RunRow } from '../sql/run-columns.js';
import type { ExplainedRun, ExplainScopesResponse } from './explain.dto.js';
import { explainHolding, type Given, type Holding, type Layer, toldSteps } from './holding.js';
import { runUse } from './run-use.js';
import { MOST_OF_RUN, ScopeUses } from './scope-uses.js';

const RESTRICTED = 'The caller restricts itself to authorizedScopes, and none of those satisfies it';
const LOST = 'The run lost it: the creator of its task did not hold it any more (event task-scopes-reduced)';
const ONLY_UPLOADS = 'The run ended with an exception: until 25 minutes later it may upload artifacts, and nothing else';

/** Why somebody holds a scope or does not. Who may ask about whom is the controller's business. */
@Injectable()
export class ExplainService {
  constructor(
    private readonly registry: Registry,
    private readonly authority: RunAuthority,
    private readonly sql: Sql,
    private readonly uses: ScopeUses,
  ) {}

  /** About the caller, as it was authenticated; `whole`: also about what its run has, and the caller not. */
  async caller(caller: Caller, scope: string, whole: boolean): Promise<ExplainScopesResponse> {
    const { clientId, run } = caller;
    const about = clientId === undefined ? {} : { clientId };
    if (!run) return { ...about, ...this.told(holdingOf(caller), scope, caller) };
    const row = await this.row(run);
    const grounds = caller.grounds ?? { scopes: [], temporary: true, authorizedScopes: caller.scopes, signedUrl: false };
    const held = this.holdingOfHolder(run, row, grounds, whole);
    return { ...about, run: describeRun(run, row), ...this.told(held, scope, caller) };
  }

  /** About a stored client. Throws ResourceNotFound. */
  client(clientId: string, scope: string, caller: Caller): ExplainScopesResponse {
    const client = this.registry.client(clientId);
    if (!client) throw new ApiError('ResourceNotFound', `Client ${clientId} does not exist`);
    const holding = { layers: [{ scopes: given(client.scopes, 'client'), because: '' }] } satisfies Holding;
    const gone = whyNobody(client, Date.now());
    const over = gone === undefined ? {} : { over: `The client ${gone}, so it holds nothing` };
    return { clientId, ...this.told({ ...holding, ...over }, scope, caller) };
  }

  /** About a run: why it holds a scope or does not; without one, all that it was given, and what of it was used. Throws ResourceNotFound. */
  async run(run: RunId, scope: string | undefined, caller: Caller): Promise<ExplainScopesResponse> {
    const row = await this.row(run);
    const about = { run: describeRun(run, row) };
    if (scope !== undefined) return { ...about, ...this.told(holdingOfRun(run, row), scope, caller) };
    const holder = holderOf(run, row);
    if (!holder) return { ...about, given: [], unused: [] };
    await this.uses.flush();
    const uses = await this.sql.query(listUses, [run.taskId, run.runId, MOST_OF_RUN]);
    return { ...about, ...orRefused(() => runUse(grantOf(holder, row), uses, this.registry.roleIndex)) };
  }

  /** Of who was authenticated, so that it is not over: but a signed URL may outlive its run. */
  private holdingOfHolder(run: CallerRun, row: RunRow, { authorizedScopes, signedUrl }: Grounds, whole: boolean): Holding {
    const { given, left, leaveOut } = grantOf(run, row);
    const restriction = restrictionOf(authorizedScopes && this.authority.authorized(authorizedScopes, run, row));
    const [first = given, ...further] = [...(whole ? [given, ...(left ? [left] : [])] : []), ...restriction];
    return { layers: [first, ...further, ...(signedUrl ? [] : uploadsOf(run, row))], leaveOut };
  }

  private async row({ taskId, runId }: RunId): Promise<RunRow> {
    const [row] = await this.sql.query(findRun, [taskId, runId]);
    if (row) return row;
    throw new ApiError('ResourceNotFound', `Run ${runId} of task ${taskId} does not exist, or has expired`);
  }

  private told(holding: Holding, scope: string, caller: Caller): Partial<ExplainScopesResponse> {
    const roles = this.registry.roleIndex;
    const { nearest, ...told } = orRefused(() => explainHolding(holding, scope, roles));
    if (!nearest) return { scope, ...told };
    const { leaveOut = () => false } = holding;
    // not caller.holds: to be told of a role is no use of the scope to read it
    const mayName = (roleId: string) =>
      normalHolds(caller.scopes, 'auth:list-roles') || normalHolds(caller.scopes, `auth:get-role:${roleId}`);
    const grantedBy = grantingRoles(roles, scope, { leaveOut, mayName });
    return { scope, ...told, nearest: nearest.map((steps) => ({ steps })), grantedBy: grantedBy.map((way) => ({ steps: toldSteps(way) })) };
  }
}

/** Why nobody is this client. */
function whyNobody({ clientId, disabled, expires }: Client, now: number): string | undefined {
  if (clientId === QUEUE_ISSUER) return 'is the service itself, and nobody can log in as it';
  if (disabled) return 'is disabled';
  return expires.getTime() < now ? 'has expired' : undefined;
}

function given(scopes: readonly string[], by: Given['by']): Given[] {
  return scopes.map((scope) => ({ scope, by }));
}

/** Of a caller without grounds nothing is known but what it holds. */
function holdingOf({ scopes, grounds }: Caller): Holding {
  if (!grounds) return { layers: [{ scopes: given(scopes, 'certificate'), because: '' }] };
  const layer = { scopes: given(grounds.scopes, grounds.temporary ? 'certificate' : 'client'), because: '' };
  return { layers: [layer, ...restrictionOf(grounds.authorizedScopes)] };
}

function restrictionOf(authorizedScopes: readonly string[] | undefined): Layer[] {
  return authorizedScopes ? [{ scopes: given(authorizedScopes, 'authorizedScopes'), because: RESTRICTED }] : [];
}

function holdingOfRun(run: RunId, row: RunRow): Holding {
  const holder = holderOf(run, row);
  if (!holder) return { layers: [{ scopes: [], because: '' }], over: neverLent(run, row) };
  const { given, left, leaveOut } = grantOf(holder, row);
  const over = runStanding(row) === 'nothing' ? { over: whyRunIsOver(run, row) } : {};
  return { layers: [given, ...(left ? [left] : []), ...uploadsOf(run, row)], leaveOut, ...over };
}

/** What its task gave to the run, and what of that its creator left to it. */
function grantOf(holder: RunHolder, { taskScopes, definedScopes }: RunRow) {
  const given: Layer = { scopes: runGivens({ ...holder, taskScopes: definedScopes ?? taskScopes }), because: '' };
  const rest = runGivens({ ...holder, taskScopes }).map((one): Given => (one.by === 'run' ? one : { scope: one.scope, by: 'creator' }));
  const leaveOut = (scope: string) => isWorkerIdentity(scope, holder);
  return { given, leaveOut, ...(definedScopes ? { left: { scopes: rest, because: LOST } satisfies Layer } : {}) };
}

function uploadsOf(run: RunId, row: RunRow): Layer[] {
  return runStanding(row) === 'artifacts' ? [{ scopes: given([createArtifactScope(run)], 'exception'), because: ONLY_UPLOADS }] : [];
}

/** Who was lent the run's credentials, if anybody was. */
function holderOf({ taskId, runId }: RunId, { workerGroup, workerId }: RunRow): RunHolder | undefined {
  return workerGroup === null || workerId === null ? undefined : { taskId, runId, workerGroup, workerId };
}

function neverLent({ taskId, runId }: RunId, { state }: RunRow): string {
  return `Run ${runId} of task ${taskId} is ${state}, and was not claimed: nobody was lent credentials of it`;
}

function describeRun({ taskId, runId }: RunId, row: RunRow): ExplainedRun {
  const isLent = holderOf({ taskId, runId }, row) !== undefined;
  const standing = isLent ? runStanding(row) : 'nothing';
  const because = { everything: undefined, artifacts: ONLY_UPLOADS, nothing: whyRunIsOver({ taskId, runId }, row) }[standing];
  return {
    ...{ taskId, runId, state: row.state, standing },
    ...(row.reasonResolved === null ? {} : { reasonResolved: row.reasonResolved }),
    ...(because === undefined ? {} : { because: isLent ? because : neverLent({ taskId, runId }, row) }),
  };
}

/** Roles that multiply without bound are refused as they are where they are expanded. */
function orRefused<T>(explain: () => T): T {
  try {
    return explain();
  } catch (cause) {
    throw new ApiError('InputError', `${(cause as Error).message}; let that role grant less`, { cause });
  }
}
