import { Controller, Get, Header, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { always } from '../../http/answer-headers.js';
import { Operation } from '../../http/operation.decorator.js';
import { RequireScopes } from '../../http/require-scopes.decorator.js';
import { UrlParam } from '../../http/url-param.js';
import { STATUS_MAX_AGE } from './status-life.js';
import { StatusLists } from './status-lists.js';

const TYPE = 'application/statuslist+jwt';
const HEADERS = {
  'cache-control': always(`\`public, max-age=${STATUS_MAX_AGE}\``),
  'access-control-allow-origin': always('`*`'),
};
const LIST = { pattern: /^(0|[1-9]\d{0,9})$/, description: 'the number of a list, as tokens name it' };

@ApiTags('oauth')
@Controller('oauth')
export class StatusListsController {
  constructor(private readonly lists: StatusLists) {}

  @Get('status-lists/:list')
  @RequireScopes(null)
  @Header('access-control-allow-origin', '*')
  @Operation({
    summary: 'Which tokens are good no more (IETF token status list)',
    description:
      'A signed list of bits, at most some seconds old. A verifier need not ask about a token, and learns nonetheless that its run has ended.',
    unsigned: true,
    produces: TYPE,
    errors: ['ResourceNotFound'],
    headers: { 200: HEADERS },
  })
  async statusList(@UrlParam('list', LIST) list: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    const token = await this.lists.of(Number(list));
    reply.type(TYPE).header('cache-control', `public, max-age=${STATUS_MAX_AGE}`); // and nothing that was refused
    return token;
  }
}
