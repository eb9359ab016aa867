import { Injectable } from '@nestjs/common';
import { runGivens } from '../../../credentials/run-givens.js';
import {
  createArtifactScope,
  isWorkerIdentity,
  type RunHolder,
  type RunId,
  runStanding,
  whyRunIsOver,
  withoutWorkerIdentity,
} from '../../../credentials/run-grant.js';
import { grantingRoles } from '../../../scopes/granting-roles.js';
import { normalHolds } from '../../../scopes/scope-set.js';
import { ApiError } from '../../http/api-error.js';
import type { Caller, Grounds } from '../../http/caller.js';
import { Sql } from '../../postgres/sql.js';
import { Registry } from '../registry.js';
import { findRun } from '../sql/find-run.js';
import { listUses } from '../sql/list-uses.js';
import type { RunRow } from '../sql/run-columns.js';
import type { ExplainedRun, ExplainScopesResponse } from './explain.dto.js';
import { explainHolding, type Given, type Holding, type Layer, toldSteps } from './holding.js';
import { runUse } from './run-use.js';
import { ScopeUses } from './scope-uses.js';

const MOST_USES = 10_000;
const RESTRICTED = 'The caller restricts itself to authorizedScopes, and none of those satisfies it';
const ONLY_UPLOADS = 'The run ended with an exception: until 25 minutes later it may upload artifacts, and nothing else';

/** Why somebody holds a scope or does not. Who may ask about whom is the controller's business. */
@Injectable()
export class ExplainService {
  constructor(
    private readonly registry: Registry,
    private readonly sql: Sql,
    private readonly uses: ScopeUses,
  ) {}

  /** About the caller, as it was authenticated. */
  async caller(caller: Caller, scope: string): Promise<ExplainScopesResponse> {
    const { clientId, run } = caller;
    const about = clientId === undefined ? {} : { clientId };
    if (!run) return { ...about, ...this.told(holdingOf(caller), scope, caller) };
    const row = await this.row(run);
    const grounds = caller.grounds ?? { scopes: [], temporary: true, authorizedScopes: caller.scopes, signedUrl: false };
    const { over: _, ...held } = holdingOfRun(run, row, grounds); // it was authenticated, so it is not over: but a signed URL may outlive it
    return { ...about, run: describeRun(run, row), ...this.told(held, scope, caller) };
  }

  /** About a stored client. Throws ResourceNotFound. */
  client(clientId: string, scope: string, caller: Caller): ExplainScopesResponse {
    const client = this.registry.client(clientId);
    if (!client) throw new ApiError('ResourceNotFound', `Client ${clientId} does not exist`);
    const holding = { layers: [{ scopes: given(client.scopes, 'client'), because: '' }] } satisfies Holding;
    const gone = client.disabled ? 'is disabled' : client.expires.getTime() < Date.now() ? 'has expired' : undefined;
    const over = gone === undefined ? {} : { over: `The client ${gone}, so it holds nothing` };
    return { clientId, ...this.told({ ...holding, ...over }, scope, caller) };
  }

  /** About a run: why it holds a scope or does not; without one, all that it was given, and what of it was used. Throws ResourceNotFound. */
  async run(run: RunId, scope: string | undefined, caller: Caller): Promise<ExplainScopesResponse> {
    const row = await this.row(run);
    const holding = holdingOfRun(run, row);
    const about = { run: describeRun(run, row) };
    if (scope !== undefined) return { ...about, ...this.told(holding, scope, caller) };
    await this.uses.flush();
    const uses = await this.sql.query(listUses, [run.taskId, run.runId, MOST_USES]);
    return { ...about, ...(isLent(row) ? orRefused(() => runUse(holding, uses, this.registry.roleIndex)) : { given: [], unused: [] }) };
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

function holdingOfRun(run: RunId, row: RunRow, grounds?: Grounds): Holding {
  const { workerGroup, workerId, taskScopes } = row;
  if (workerGroup === null || workerId === null) return { layers: [{ scopes: [], because: '' }], over: neverLent(run, row) };
  const holder: RunHolder = { ...run, workerGroup, workerId };
  const standing = runStanding(row);
  const asked = grounds?.authorizedScopes && withoutWorkerIdentity(grounds.authorizedScopes, holder);
  const uploads: Layer = { scopes: given([createArtifactScope(holder)], 'exception'), because: ONLY_UPLOADS };
  return {
    layers: [
      { scopes: runGivens({ ...holder, taskScopes }), because: '' },
      ...restrictionOf(asked),
      ...(standing === 'artifacts' && !grounds?.signedUrl ? [uploads] : []),
    ],
    leaveOut: (scope) => isWorkerIdentity(scope, holder),
    ...(standing === 'nothing' ? { over: whyRunIsOver(run, row) } : {}),
  };
}

function isLent({ workerGroup, workerId }: RunRow): boolean {
  return workerGroup !== null && workerId !== null;
}

function neverLent({ taskId, runId }: RunId, { state }: RunRow): string {
  return `Run ${runId} of task ${taskId} is ${state}, and was not claimed: nobody was lent credentials of it`;
}

function describeRun({ taskId, runId }: RunId, row: RunRow): ExplainedRun {
  const standing = isLent(row) ? runStanding(row) : 'nothing';
  const because = { everything: undefined, artifacts: ONLY_UPLOADS, nothing: whyRunIsOver({ taskId, runId }, row) }[standing];
  return {
    ...{ taskId, runId, state: row.state, standing },
    ...(row.reasonResolved === null ? {} : { reasonResolved: row.reasonResolved }),
    ...(because === undefined ? {} : { because: isLent(row) ? because : neverLent({ taskId, runId }, row) }),
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
