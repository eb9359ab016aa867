import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { runRole } from '../../../credentials/run-grant.js';
import { normalHolds } from '../../../scopes/scope-set.js';
import { ApiError } from '../../http/api-error.js';
import { CallerOf } from '../../http/caller.decorator.js';
import type { Caller } from '../../http/caller.js';
import { CLIENT_ID, RUN_ID, SCOPE, SLUGID } from '../../http/identifiers.js';
import { Operation } from '../../http/operation.decorator.js';
import { UrlQuery } from '../../http/query.js';
import { RequireScopes } from '../../http/require-scopes.decorator.js';
import { ExplainScopesResponse } from './explain.dto.js';
import { ExplainService } from './explain.service.js';

/** Runs end at 1000; beyond is a run that does not exist, and a number that fits the database's. */
const NO_RUN = 1001;

const OF_CLIENT = 'auth:explain-client:<clientId>';
const OF_RUN = 'auth:explain-run:<taskId>/<runId>';

@ApiTags('auth: scopes and credentials')
@Controller('api/auth/v1')
export class ExplainController {
  constructor(private readonly explaining: ExplainService) {}

  @Get('scopes/explain')
  @RequireScopes({ AnyOf: [OF_CLIENT, OF_RUN] })
  @Operation({
    summary: 'Why somebody has a scope or lacks it, and which of its scopes a run never used',
    description: `About the caller itself, as it is authenticated, without \`clientId\` or \`taskId\`: that needs no scope. Nor does it for
credentials of a run that ask about this run, unless they hold only a part of what it may: a task token, who restricts itself to
\`authorizedScopes\`, or a run that may only upload after an exception. A URL that the run signed works on after its end, as for all reads,
until its certificate expires. About others it needs \`${OF_CLIENT}\` or
\`${OF_RUN}\`; without it the refusal is the same whether they exist or not.

Of a run, without \`scope\`: all that it was given, what of it was lost, and what was never used. A use is counted when a scope, with what
roles make of it, decides that the run may do something **here** or is signed into a task token, and is seen a second later. Services that
ask \`authenticateHawk\`, or verify tokens by themselves, decide without us: what is used there is not seen. Nor is what decides about the run
itself (reclaim, reports, artifacts), which every run may. Under more load than can be noted, and once the task has expired, some uses are
missing. So \`unused\` is advice, not proof.`,
    response: ExplainScopesResponse,
    stability: 'experimental',
    errors: ['InputError', 'ResourceNotFound'],
  })
  explainScopes(
    @CallerOf() caller: Caller,
    @UrlQuery('scope', SCOPE) scope?: string,
    @UrlQuery('clientId', CLIENT_ID) clientId?: string,
    @UrlQuery('taskId', SLUGID) taskId?: string,
    @UrlQuery('runId', { ...RUN_ID, type: 'integer' }) runId?: string,
  ): Promise<ExplainScopesResponse> | ExplainScopesResponse {
    assertOne(clientId, taskId, runId);
    if (taskId !== undefined) return this.run(caller, taskId, Math.min(Number(runId), NO_RUN), scope);
    if (clientId !== undefined) caller.require(OF_CLIENT, { clientId });
    if (scope !== undefined) {
      return clientId === undefined
        ? this.explaining.caller(caller, scope, isWhole(caller))
        : this.explaining.client(clientId, scope, caller);
    }
    if (clientId === undefined && caller.run) return this.run(caller, caller.run.taskId, caller.run.runId, undefined);
    throw new ApiError('InvalidRequestArguments', 'Query parameter scope must be given; only of a run all that it was given can be listed');
  }

  private run(caller: Caller, taskId: string, runId: number, scope: string | undefined): Promise<ExplainScopesResponse> {
    const own = caller.run?.taskId === taskId && caller.run.runId === runId;
    if (!own || !isRun(caller)) caller.require(OF_RUN, { taskId, runId });
    return this.explaining.run({ taskId, runId }, scope, caller);
  }
}

/** Who is the run with all it may do. What holds less of it (a token, a proxy that restricts itself) learns no more than what it holds. */
function isRun({ run, scopes }: Caller): boolean {
  return run !== undefined && normalHolds(scopes, runRole(run)); // not caller.holds: to ask about itself is no use of the scope
}

/** Whether the caller may be told what it would hold if it did not restrict itself. */
function isWhole(caller: Caller): boolean {
  const { run, scopes, grounds } = caller;
  if (!run || grounds?.authorizedScopes === undefined || isRun(caller)) return true;
  return normalHolds(scopes, `auth:explain-run:${run.taskId}/${run.runId}`);
}

function assertOne(clientId: string | undefined, taskId: string | undefined, runId: string | undefined): void {
  if (clientId !== undefined && (taskId !== undefined || runId !== undefined)) {
    throw new ApiError('InvalidRequestArguments', 'Query parameter clientId cannot be given with taskId or runId: ask about one of them');
  }
  if ((taskId === undefined) === (runId === undefined)) return;
  throw new ApiError('InvalidRequestArguments', 'Query parameters taskId and runId must be given together');
}
