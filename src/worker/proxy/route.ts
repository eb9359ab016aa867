import type { IncomingMessage } from 'node:http';
import type { Call } from './pass-on.js';

/** Answers one call. What it throws is told to the step. */
export type Handler = (call: Call) => Promise<void>;

/** Where one part of a step's requests leads. The routes of a proxy are asked in order, and the first that knows the request has it. */
export interface Route {
  /** undefined: another route may know it. Throws Refusal for what belongs here and is not to be. */
  handlerOf(request: IncomingMessage): Handler | undefined;
  /** What this route holds is gone when that resolves: connections, tokens. */
  close?(): Promise<void>;
}
