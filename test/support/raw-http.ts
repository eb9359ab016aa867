import { connect } from 'node:net';
import type { Answer } from './api.js';
import { assertContract } from './contract.js';

const ANSWER_WITHIN_MS = 5_000;

export interface RawRequest {
  method: 'GET' | 'POST' | 'PUT';
  path: string;
  /** As they are written, in this order: a name may be there twice. */
  headers?: [name: string, value: string][];
  body?: string;
}

/** Whether what stood in a header kept the request from being one, so that it was answered before anybody looked whose it is. */
const isUnreadable = ({ status }: Answer): boolean => status === 0 || status === 400 || status === 431;

/**
 * Sends a request byte by byte as given: clients repair headers, or refuse to send them. Holds an answer of the API against openapi.yaml;
 * the status is 0 where the service hung up without one.
 */
export async function sendRaw(url: string, { method, path, headers = [], body = '' }: RawRequest): Promise<Answer & { text: string }> {
  const { hostname, port, host } = new URL(url);
  const all = [['Host', host], ['Connection', 'close'], ['Content-Length', String(Buffer.byteLength(body))], ...headers];
  const socket = connect(Number(port), hostname);
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  socket.on('error', () => undefined); // it hung up while we were sending
  socket.setTimeout(ANSWER_WITHIN_MS, () => socket.destroy());
  const closed = new Promise((resolve) => socket.once('close', resolve)); // events.once would throw what an error says before it
  socket.write(`${method} ${path} HTTP/1.1\r\n${all.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`);
  await closed;
  const text = Buffer.concat(pieces).toString('latin1');
  const [head = '', content = ''] = text.split(/\r\n\r\n(.*)/s);
  const answer = { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0), headers: headersOf(head), body: parsed(content), text };
  if (!isUnreadable(answer)) assertContract(method, path, answer);
  return answer;
}

function headersOf(head: string): Record<string, string> {
  const found = new Map<string, string>();
  for (const [, name = '', value = ''] of head.matchAll(/^([\w-]+): (.*?)\r?$/gm)) {
    const before = found.get(name.toLowerCase());
    found.set(name.toLowerCase(), before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(found);
}

function parsed(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined; // of no interest but to the contract, which wants JSON
  }
}
