import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Authenticator } from './authenticator.js';
import { type ApiRequest, signedRequest } from './caller.guard.js';
import { Quota } from './quota.js';
import { isStreamed } from './streamed-body.js';
import { whenOver } from './when-over.js';

export const BODY_LIMIT = 10 * 1024 * 1024;

/** Bytes. What is smaller is bounded by the number of requests, as headers are. */
const SMALL = 16 * 1024;

/** Bytes, while a request is under way: bodies, their text and what was parsed of it are all in memory then. */
const MOST = { all: 4 * BODY_LIMIT, client: 2 * BODY_LIMIT, strangers: BODY_LIMIT };

/**
 * Room for bodies. They are read before anybody is asked who sends them: a thousand strangers with 10 MiB each would fill any heap. So
 * who announces a large one is looked at first, by what is in memory and signed in the header, and takes room on that account.
 */
@Injectable()
export class Bodies implements OnModuleInit {
  private readonly room = new Quota('bytes of bodies', MOST);

  /** Lowers what a request has taken to what came of its body, once it was read: a poll that was sent in chunks may wait for long. */
  private readonly taken = new WeakMap<FastifyRequest, (came: number) => void>();

  constructor(
    private readonly server: HttpAdapterHost,
    private readonly authenticator: Authenticator,
  ) {}

  onModuleInit(): void {
    const fastify = this.server.httpAdapter.getInstance<FastifyInstance>();
    fastify.addHook('onRequest', (request, reply, done) => {
      const bytes = announced(request);
      if (bytes <= SMALL || bytes > BODY_LIMIT || isStreamed(request)) return done(); // too large is refused unread
      try {
        this.admit(request, reply, bytes);
        done();
      } catch (error) {
        done(error as Error);
      }
    });
    fastify.addHook('preValidation', (request, _reply, done) => {
      this.taken.get(request)?.((request as ApiRequest).rawBody?.length ?? 0);
      done();
    });
  }

  private admit(request: FastifyRequest, reply: FastifyReply, bytes: number): void {
    const account = this.authenticator.accountOf(signedRequest(request));
    let leave = this.room.take(account, bytes);
    this.taken.set(request, (came) => {
      leave();
      if (came > SMALL) leave = this.room.take(account, came); // no more than was left just now, so there is room
    });
    whenOver(reply.raw, () => {
      this.taken.delete(request);
      leave();
    });
  }
}

/** How long the body may become: nobody knows it of one that comes in chunks. */
function announced({ headers }: FastifyRequest): number {
  return headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : BODY_LIMIT;
}
