import { Controller, Get, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Payload } from '../http/body.js';
import { CallerOf } from '../http/caller.decorator.js';
import type { Caller } from '../http/caller.js';
import { TASK_QUEUE_ID } from '../http/identifiers.js';
import { Operation } from '../http/operation.decorator.js';
import { ContinuationToken, Limit } from '../http/query.js';
import { RequireScopes } from '../http/require-scopes.decorator.js';
import { UrlParam } from '../http/url-param.js';
import { SetSignaturePolicyRequest, SignaturePoliciesResponse, SignaturePolicyResponse } from './signature-policy.dto.js';
import { SignaturePolicyService } from './signature-policy.service.js';

const TaskQueueId = () => UrlParam('taskQueueId', TASK_QUEUE_ID);

@ApiTags('queue: signature policies')
@Controller('api/queue/v1')
export class SignaturePolicyController {
  constructor(private readonly policies: SignaturePolicyService) {}

  @Get('signature-policies')
  @RequireScopes('queue:list-signature-policies')
  @Operation({ summary: 'List the task queues that were given a signature policy', response: SignaturePoliciesResponse })
  listSignaturePolicies(@Limit() limit?: string, @ContinuationToken() token?: string): Promise<SignaturePoliciesResponse> {
    return this.policies.list({ limit, token });
  }

  @Get('task-queues/:taskQueueId/signature-policy')
  @RequireScopes('queue:get-signature-policy:<taskQueueId>')
  @Operation({
    summary: 'Get the signature policy of a task queue',
    description: 'Any task queue has one: `off` where nobody has set another, whether or not there is such a queue.',
    response: SignaturePolicyResponse,
  })
  getSignaturePolicy(@TaskQueueId() taskQueueId: string): Promise<SignaturePolicyResponse> {
    return this.policies.get(taskQueueId);
  }

  @Put('task-queues/:taskQueueId/signature-policy')
  @RequireScopes('queue:set-signature-policy:<taskQueueId>')
  @Operation({
    summary: 'Set the signature policy of a task queue, and whose signatures are believed there',
    description:
      'A key set is replaced by one of a greater version only, and stays where the policy is `off`: so no key that was revoked comes back. The same request again changes nothing.',
    response: SignaturePolicyResponse,
    errors: ['InputValidationError', 'InputError', 'RequestConflict'],
  })
  setSignaturePolicy(
    @CallerOf() caller: Caller,
    @TaskQueueId() taskQueueId: string,
    @Payload() request: SetSignaturePolicyRequest,
  ): Promise<SignaturePolicyResponse> {
    return this.policies.set(taskQueueId, request, caller);
  }
}
