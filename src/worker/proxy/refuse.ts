import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { Refusal } from './refusal.js';

/** Milliseconds for which the rest of a body that nobody wants is read: who is still sending would not see the answer otherwise. */
const LINGER = 5_000;

/** Answers with what is wrong. Where a part of an answer was sent already, it breaks off, so that nobody takes that part for all. */
export function refuse(request: IncomingMessage, answer: ServerResponse, error: unknown): void {
  if (answer.headersSent) {
    answer.destroy();
    return;
  }
  const refusal = error instanceof Refusal ? error : new Refusal(500, 'InternalServerError', 'The proxy failed; try again');
  const again = refusal.status >= 500 ? { 'retry-after': '1' } : {};
  const length = Buffer.byteLength(refusal.body);
  answer.writeHead(refusal.status, { 'content-type': 'application/json; charset=utf-8', 'content-length': length, ...again });
  answer.end(refusal.body);
  leaveBody(request);
}

/** Reads what is left of a body, for as long as that is worth it. */
export function leaveBody(request: IncomingMessage): void {
  if (request.complete) return;
  request.unpipe().resume();
  const timer = setTimeout(() => request.socket.destroy(), LINGER).unref();
  for (const over of ['end', 'close']) request.once(over, () => clearTimeout(timer));
}

/** The same where there is no answer to write to, and hangs up. */
export function refuseRaw(socket: Duplex, { status, body }: Refusal): void {
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/json; charset=utf-8\r\nconnection: close\r\n`;
  socket.end(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`, () => socket.destroy());
}
