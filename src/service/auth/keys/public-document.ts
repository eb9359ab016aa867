import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** JSON that anybody may read from anywhere, and keep for a while. */
export class PublicDocument {
  private readonly text: string;
  private readonly etag: string;

  constructor(readonly content: object) {
    this.text = JSON.stringify(content);
    this.etag = `"${createHash('sha256').update(this.text).digest('base64url')}"`;
  }

  /** `maxAge`: seconds. */
  send(request: FastifyRequest, reply: FastifyReply, maxAge: number): void {
    reply.headers({
      ...{ etag: this.etag, 'cache-control': `public, max-age=${maxAge}` },
      ...{ 'access-control-allow-origin': '*', 'x-content-type-options': 'nosniff' },
    });
    if (this.isKnown(request.headers['if-none-match'])) reply.code(304).send();
    else reply.type('application/json; charset=utf-8').send(this.text);
  }

  /** By the weak comparison, as RFC 9110, 13.1.2, has it: a proxy that compresses weakens the tag. */
  private isKnown(header: string | undefined): boolean {
    const tags = (header ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
    return tags.includes('*') || tags.includes(this.etag);
  }
}
