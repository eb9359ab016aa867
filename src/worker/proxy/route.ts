import type { IncomingMessage } from 'node:http';
import type { TcpNetConnectOpts } from 'node:net';
import type { Call } from './pass-on.js';
import type { Refusal } from './refusal.js';

/** Answers one call. What it throws is told to the step. */
export type Handler = (call: Call) => Promise<void>;

/** A way through, of which the step sees every byte and this proxy looks at none. */
export interface Tunnel {
  /** Throws what `unreached` understands. */
  dial(): TcpNetConnectOpts;
  /** What the step is told when there is no connection. */
  unreached(error: Error): Refusal;
}

/** Where one part of a step's requests leads. The routes of a proxy are asked in order, and the first that knows the request has it. */
export interface Route {
  /** Bytes of a request's body, where that is not what the others take. */
  readonly bodyBytes?: number;
  /** undefined: another route may know it. Throws Refusal for what belongs here and is not to be. */
  handlerOf(request: IncomingMessage): Handler | undefined;
  /** The same for CONNECT: `authority` is what stands in its line. */
  tunnelOf?(authority: string): Tunnel | undefined;
  /** Origins to which this route leads, for people. */
  readonly reaches?: readonly string[];
  /** What this route holds is gone when that resolves: connections, tokens. */
  close?(): Promise<void>;
}
