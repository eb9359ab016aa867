import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { ApiRequest } from './caller.guard.js';
import { accountOf, Quota } from './quota.js';
import { allowLongAnswer } from './streamed-body.js';
import { whenOver } from './when-over.js';

/** Bytes. What is smaller is bounded by the number of requests. */
const SMALL = 16 * 1024;

const MIB = 1024 * 1024;
const MOST = { all: 64 * MIB, client: 32 * MIB, strangers: 16 * MIB };

/**
 * Room for answers that nobody has read yet: a thousand connections that ask for a list and read nothing would hold 2 MiB each, for as
 * long as they like. Beyond it the answer is a refusal, also of what was done: whoever asks again is answered that it is. Who reads
 * nothing for a minute is hung up on.
 */
@Injectable()
export class Answers implements OnModuleInit {
  private readonly room = new Quota('bytes of answers', MOST);

  constructor(private readonly server: HttpAdapterHost) {}

  /** After the hook that compresses, so that bytes are counted as they are sent. */
  onModuleInit(): void {
    this.server.httpAdapter.getInstance<FastifyInstance>().addHook('onSend', (request, reply, payload, done) => {
      const bytes = sizeOf(payload);
      if (bytes <= SMALL || reply.statusCode === 503) return done(null, payload);
      try {
        this.take(request as ApiRequest, reply, bytes);
        done(null, payload);
      } catch (error) {
        reply.removeHeader('content-encoding').removeHeader('content-length');
        done(error as Error);
      }
    });
  }

  private take({ caller }: ApiRequest, reply: FastifyReply, bytes: number): void {
    const leave = this.room.take(caller?.account ?? accountOf(undefined, false), bytes);
    whenOver(reply.raw, leave);
    allowLongAnswer(reply);
  }
}

/** Streams are as long as they are read. */
function sizeOf(payload: unknown): number {
  if (typeof payload === 'string') return payload.length <= SMALL / 3 ? payload.length : Buffer.byteLength(payload);
  return Buffer.isBuffer(payload) ? payload.length : 0;
}
