import { Readable } from 'node:stream';
import { Controller, Get, Headers, Req, Res } from '@nestjs/common';
import { ApiExtraModels, ApiHeader, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { ScopeTemplate } from '../../scopes/scope-expression.js';
import { ApiError } from '../http/api-error.js';
import { CallerOf } from '../http/caller.decorator.js';
import type { ApiRequest } from '../http/caller.guard.js';
import type { Caller } from '../http/caller.js';
import { SLUGID, TASK_QUEUE_ID } from '../http/identifiers.js';
import { Operation } from '../http/operation.decorator.js';
import { UrlQuery } from '../http/query.js';
import { RequireScopes, Waits } from '../http/require-scopes.decorator.js';
import { EVENT_KINDS, type EventKind } from './event-message.js';
import { type EventFilter, EventStream } from './event-stream.js';
import { MESSAGES } from './messages.dto.js';
import { OpenStreams } from './open-streams.js';
import { type Position, parsePosition } from './position.js';

const BY_TASK = 'queue:status:<taskId>';
const BY_GROUP = 'queue:list-task-group:<taskGroupId>';
/** A queue's lists show what waits and what runs; its events also how tasks end, which is for who may ask for any status. */
const BY_QUEUE: ScopeTemplate = { AllOf: ['queue:pending-list:<taskQueueId>', 'queue:claimed-list:<taskQueueId>', 'queue:status:*'] };
const BY_NOTHING: ScopeTemplate = { AllOf: ['queue:status:*', 'queue:list-task-group:*'] };

/** What the list of a task's artifacts says, and its definition, is for who may read those. */
const GUARDED = { 'artifact-created': 'queue:list-artifacts', 'task-scopes-reduced': 'queue:get-task' };

const KINDS = Object.entries(MESSAGES).map(([kind, { name }]) => `- \`${kind}\`: \`${name}\``);

const LONGEST_MS = 15 * 60 * 1000; // what a client may see is looked at again when it reconnects, which it does by itself

const Kind = () =>
  UrlQuery('kind', {
    pattern: new RegExp(`^(${EVENT_KINDS.join('|')})(,(${EVENT_KINDS.join('|')})){0,${EVENT_KINDS.length}}$`),
    description: 'Only these kinds of events, separated by commas',
  });

/** What happens to tasks and groups, as it happens. */
@ApiTags('queue: events')
@Controller('api/queue/v1/events')
export class EventsController {
  constructor(
    private readonly stream: EventStream,
    private readonly open: OpenStreams,
  ) {}

  @Get()
  @Waits()
  @RequireScopes({ AnyOf: [BY_TASK, BY_GROUP, BY_QUEUE, BY_NOTHING] })
  @ApiHeader({
    name: 'last-event-id',
    required: false,
    description: 'Resumes after this event; without it the stream begins now',
    schema: { type: 'string', pattern: '^\\d{1,19}-\\d{1,18}$' },
  })
  @ApiExtraModels(...Object.values(MESSAGES))
  @Operation({
    summary: 'Follow the events of a task, a group, a task queue, or all',
    description: `Server-sent events: \`event\` is the kind, \`data\` the message. Only what all given filters name is sent; the scope of
one of them suffices, and a run may follow its own task, unless it restricts itself. Events of artifacts need \`queue:list-artifacts:<taskId>\`, and
those of scopes \`queue:get-task:<taskId>\`, with \`*\` where no task is named. A stream of one task begins with \`task-status\`. \`events-lost\` says that events
after Last-Event-ID are no longer kept. Each event comes at least once. The stream ends after 15 minutes, with the caller's credentials, or
with their run; reconnect then.

By its kind, \`data\` is JSON of one of these schemas:

${KINDS.join('\n')}`,
    produces: 'text/event-stream',
    stability: 'experimental',
  })
  followEvents(
    @CallerOf() caller: Caller,
    @Req() request: ApiRequest,
    @Res() reply: FastifyReply,
    @UrlQuery('taskId', SLUGID) taskId?: string,
    @UrlQuery('taskGroupId', SLUGID) taskGroupId?: string,
    @UrlQuery('taskQueueId', TASK_QUEUE_ID) taskQueueId?: string,
    @Kind() kind?: string,
    @Headers('last-event-id') lastEventId?: string,
  ): FastifyReply {
    authorize(caller, { taskId, taskGroupId, taskQueueId });
    const filter: EventFilter = { taskId, taskGroupId, taskQueueId, kinds: kindsFor(caller, taskId, kind) };
    const since = positionOf(lastEventId);
    const until = Math.min(caller.expires.getTime(), Date.now() + LONGEST_MS);
    if (request.method === 'HEAD') this.open.assertRoom(caller.account);
    else this.open.admit(reply.raw, caller.account, until);
    // proxies are not to collect it; nothing follows it on its connection, which a service that stops would wait for
    reply.type('text/event-stream; charset=utf-8').headers({ 'x-accel-buffering': 'no', connection: 'close' });
    if (request.method === 'HEAD') return reply.send('');
    const hungUp = new AbortController();
    reply.raw.once('close', () => hungUp.abort());
    if (reply.raw.destroyed) hungUp.abort(); // it hung up while it was authenticated: no event comes any more
    const text = this.stream.follow({
      filter,
      since,
      run: caller.run,
      lane: caller.clientId === undefined ? 'anonymous' : 'known',
      until,
      hungUp: hungUp.signal,
    });
    return reply.send(Readable.from(text, { highWaterMark: 16 }));
  }
}

/** Whoever may read a task, a group or a queue may follow it. The filters narrow one another, so the scope of any one is enough. */
function authorize(
  caller: Caller,
  filters: { taskId: string | undefined; taskGroupId: string | undefined; taskQueueId: string | undefined },
) {
  const { taskId, taskGroupId, taskQueueId } = filters;
  if (taskId !== undefined && caller.itself?.taskId === taskId) return;
  const ways = [
    ...(taskId === undefined ? [] : [BY_TASK]),
    ...(taskGroupId === undefined ? [] : [BY_GROUP]),
    ...(taskQueueId === undefined ? [] : [BY_QUEUE]),
    BY_NOTHING,
  ];
  const given = Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== undefined)) as Record<string, string>;
  caller.require({ AnyOf: ways }, given);
}

/** Throws InsufficientScopes where events that take a scope of their own are asked for by name; otherwise they are left out. */
function kindsFor(caller: Caller, taskId: string | undefined, kind: string | undefined): ReadonlySet<EventKind> {
  const kinds = new Set((kind?.split(',') ?? EVENT_KINDS) as EventKind[]);
  for (const [guarded, scope] of Object.entries(GUARDED) as [EventKind, string][]) {
    const required = `${scope}:${taskId ?? '*'}`;
    const isOwn = guarded === 'task-scopes-reduced' && taskId !== undefined && caller.itself?.taskId === taskId;
    if (!kinds.has(guarded) || isOwn || caller.holds(required)) continue;
    if (kind !== undefined) throw caller.lacks(required);
    kinds.delete(guarded);
  }
  return kinds;
}

function positionOf(lastEventId: string | undefined): Position | undefined {
  if (lastEventId === undefined || lastEventId === '') return undefined;
  const position = parsePosition(lastEventId);
  if (position) return position;
  throw new ApiError('InvalidRequestArguments', 'The Last-Event-ID header is not the id of an event of this service; begin without it');
}
