import type { ErrorCode } from '../../src/service/http/api-error.js';
import type { Answer, Credentials } from '../support/api.js';
import type { World } from './world.js';

/** What a caller sends; method and path are those of the operation in openapi.yaml. */
export interface Call {
  /** URL parameters, not encoded. */
  params?: Record<string, string>;
  query?: Record<string, string | undefined>;
  /** A JSON object, or the bytes for what takes any. */
  body?: object;
  headers?: Record<string, string>;
  /** Instead of whom the check would send: credentials, or null for nobody. */
  as?: Credentials | null;
}

/** How a call differs from the arranged one: fields of params, query, body and headers replace those of the same name; bytes, all bytes. */
export type Change<T extends Call> = Call | ((call: T, world: World) => Call | Promise<Call>);

/** The arranged call, changed, sent by the client that may do anything: so it is this, and no lack of scopes, that is answered. */
export interface Variant<T extends Call> {
  /** What happens first. */
  before?(call: T, world: World): unknown;
  call?: Change<T>;
}

export interface Refusal<T extends Call> extends Variant<T> {
  /** Its status where the answer has no code: 424 of an artifact that is an error. */
  code: ErrorCode | number;
  /** What the message must say. */
  says: RegExp;
  /** Undoes `before` where others would feel it. */
  after?(world: World): unknown;
}

export interface Success<T extends Call> extends Variant<T> {
  check(answer: Answer, call: T, world: World): unknown;
}

/**
 * One operation, in a file of its name: test/operations/<service>/<operationId>.ts, whose default is `operation({…})`. suite.ts
 * reads method, path, parameters and body from openapi.yaml and checks of each, without a word here:
 *
 * - a new client with just `scopes` is served; with one of them missing, and all that looks like it in its place, it is refused
 *   (403) and told which; nobody (403), forgers and those whose time is over (401) are refused; whoever lacks the scopes is told the
 *   same whether the thing exists or not;
 * - URL parameters, query parameters and fields of the body that are missing, unknown or of the wrong type are refused by name (400);
 * - what was refused has changed no row of any table;
 * - a URL that the service has signed is refused with anything in it changed or left out;
 * - with `pages`: they add up to the whole, and tokens and limits that are none are refused;
 * - every code and status that openapi.yaml promises of it was seen in the end. An operation has a file, a file an operation.
 *
 * Left to say is what only the operation knows: how to come by a call that succeeds, its scopes, what success means, and each
 * refusal of its own (conflicts, contradictions, things unknown in other ways). Things to call it on are made by `World`.
 */
export interface Operation<T extends Call = Call> {
  /**
   * A call that succeeds, on something new; extra fields are for the functions below. Called before each check,
   * with the index of the alternative (of scopes, or of the classes that a body may be of) where the call depends on it.
   */
  arrange(world: World, alternative?: number): T | Promise<T>;
  /** The least that suffices: alternatives, each a list of scopes that are needed together. Absent: anybody may. */
  scopes?(call: T): string[][];
  /**
   * For operations whose scopes depend on what is stored: who holds this may know whether it exists. They are told the scopes by
   * name, and 404 where there is nothing; others see the same refusal in both cases.
   */
  mayKnow?(call: T): string;
  /** What was answered, and what has changed. */
  check(answer: Answer, call: T, world: World): unknown;
  /** URL parameters of a thing that does not exist: 404. */
  unknown?(call: T): Record<string, string>;
  /** For lists in pages. `arrange` (or this one) must make it list three at least; null where the list is always empty. */
  pages?: null | { arrange?(world: World): T | Promise<T>; list(body: Answer['body']): unknown[] };
  /** Other calls that succeed: repeated, as somebody else, in another form. */
  also?: Record<string, Success<T>>;
  refusals?: Record<string, Refusal<T>>;
}

export function operation<T extends Call>(one: Operation<T>): Operation {
  return one as unknown as Operation;
}
