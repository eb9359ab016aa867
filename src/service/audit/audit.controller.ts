import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CLIENT_ID, SLUGID } from '../http/identifiers.js';
import { Operation } from '../http/operation.decorator.js';
import { ContinuationToken, Limit, UrlQuery } from '../http/query.js';
import { RequireScopes } from '../http/require-scopes.decorator.js';
import { AuditResponse } from './audit.dto.js';
import { ReadAudit } from './read-audit.service.js';

@ApiTags('auth: audit')
@Controller('api/auth/v1/audit')
export class AuditController {
  constructor(private readonly audit: ReadAudit) {}

  @Get()
  @RequireScopes('auth:read-audit')
  @Operation({
    summary: 'Read the audit log',
    description:
      'What was lent, refused and changed, in the order of its chain, for as long as AUDIT_RETENTION. An entry is there a few seconds after what it tells; `npm run audit -- verify` checks the chain.',
    response: AuditResponse,
  })
  readAudit(
    @UrlQuery('taskId', { pattern: SLUGID.pattern, description: 'Only of this task' }) taskId?: string,
    @UrlQuery('actor', { pattern: CLIENT_ID.pattern, description: 'Only of who has this client id' }) actor?: string,
    @UrlQuery('kind', { pattern: /^[a-z-]+$/, description: 'Only what is of this kind' }) kind?: string,
    @UrlQuery('since', { type: 'date-time', description: 'Only what happened then or later' }) since?: string,
    @Limit() limit?: string,
    @ContinuationToken() token?: string,
  ): Promise<AuditResponse> {
    return this.audit.page({ taskId, actor, kind, since }, { limit, token });
  }
}
