import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { TASK_QUEUE_ID } from '../http/identifiers.js';
import { Operation } from '../http/operation.decorator.js';
import { ContinuationToken, Limit, UrlQuery } from '../http/query.js';
import { RequireScopes } from '../http/require-scopes.decorator.js';
import { UrlParam } from '../http/url-param.js';
import { AllPurgeRequestsResponse, PurgeRequestsResponse } from './purge-cache.dto.js';

const NONE_EVER =
  'Nobody can ask for it here, so the list is empty: generic-worker looks before its first task, and would wait for an answer.';

/**
 * The reads of upstream's purge-cache service. A worker that is answered 5xx, or not at all, retries for a quarter of an hour before
 * it runs its first task.
 */
@ApiTags('purge-cache')
@Controller('api/purge-cache/v1/purge-cache')
export class PurgeCacheController {
  @Get('list')
  @RequireScopes('purge-cache:all-purge-requests')
  @Operation({ summary: 'Which caches shall be thrown away?', description: NONE_EVER, response: AllPurgeRequestsResponse })
  allPurgeRequests(@Limit() _limit?: string, @ContinuationToken() _token?: string): AllPurgeRequestsResponse {
    return { requests: [] };
  }

  /** The scope has two colons on the wire, too. */
  @Get(':workerPoolId')
  @RequireScopes('purge-cache:purge-requests::<workerPoolId>')
  @Operation({
    summary: 'Which caches shall the workers of a task queue throw away?',
    description: NONE_EVER,
    response: PurgeRequestsResponse,
  })
  purgeRequests(
    @UrlParam('workerPoolId', TASK_QUEUE_ID) _workerPoolId: string,
    @UrlQuery('since', { type: 'date-time', description: 'Only what was asked for after this' }) _since?: string,
  ): PurgeRequestsResponse {
    return { requests: [] };
  }
}
