import { SignatureError } from './signature-error.js';
import type { Definition, SigningContext } from './task-payload.js';
import { isInstant } from './verification-key.js';

/** What a signer says of a signature; the rest follows from the definition. Times are unix seconds. */
export interface SigningTerms {
  audience: string;
  taskId: string;
  /** By default that of the definition. */
  taskQueueId?: string | undefined;
  now: number;
  /** From when on it is good no more. By default from the deadline on, and never later: then there is nothing to run. */
  expires?: number | undefined;
  /**
   * How often the task may be run. By default once, and once more for each retry. A run that a person asks for (rerunTask) counts, too: it
   * is one of these, so with `retries` 0 there is none. Who wants more says so, knowing that whoever controls the queue can have all of
   * them run.
   */
  maxRuns?: number | undefined;
}

/** What a definition is signed for. Throws SignatureError. */
export function contextFor(definition: Definition, { now, expires, maxRuns = runsOf(definition), ...terms }: SigningTerms): SigningContext {
  if (!isInstant(now)) throw refused('now must be in unix seconds');
  const { audience, taskId, taskQueueId = definition.taskQueueId } = terms;
  if (typeof taskQueueId !== 'string') throw refused('its definition has no taskQueueId; set it');
  return { audience, taskId, taskQueueId, iat: now, exp: endOf(definition, expires, now), maxRuns };
}

/** In whole seconds: a queue refuses what is good beyond the deadline by a millisecond. */
function endOf({ deadline }: Definition, expires: number | undefined, now: number): number {
  const end = typeof deadline === 'string' ? Math.floor(Date.parse(deadline) / 1000) : Number.NaN;
  if (expires === undefined && Number.isNaN(end))
    throw refused('its definition has no deadline; set it, or say when the signature expires');
  if (end <= now) throw refused('the deadline of its definition has passed');
  if (expires === undefined) return end;
  if (expires <= now) throw refused('expires must be after now, in unix seconds');
  if (expires > end)
    throw refused('expires is beyond the deadline of its definition; leave it out, or give an earlier one in unix seconds');
  return expires;
}

function runsOf({ retries }: Definition): number {
  return (Number.isInteger(retries) ? (retries as number) : 0) + 1;
}

const refused = (what: string) => new SignatureError('signature-payload-invalid', `The task cannot be signed: ${what}`);
