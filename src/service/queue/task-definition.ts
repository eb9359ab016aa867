import { createHash } from 'node:crypto';
import { canonicalJson } from '../../signatures/canonical-json.js';
import { NormalFormError, normalForm } from '../../signatures/normal-form.js';
import { ApiError } from '../http/api-error.js';
import { rawJson } from '../http/raw-json.js';
import { type Priority, priorityOf } from './priority.js';
import type { FoundSignature } from './signature-verdict.js';
import type { CreateTaskRequest, TaskDefinitionResponse } from './task.dto.js';

/** A definition as stored: normalised, with the priority it was created with. */
export type StoredDefinition = TaskDefinitionResponse & { priority: Priority };

const SKEW_MS = 15 * 60 * 1000;
const DAY_MS = 24 * 60 * 60 * 1000;

/** A request in the form in which it is stored. Throws InputError where fields contradict one another. Times are not compared with the clock here. */
export function normalizeDefinition(taskId: string, request: Omit<CreateTaskRequest, 'signature'>): StoredDefinition {
  try {
    return normalForm(taskId, request as unknown as Record<string, unknown>) as unknown as StoredDefinition;
  } catch (error) {
    if (error instanceof NormalFormError) throw new ApiError('InputError', error.message);
    throw error;
  }
}

/** The clock decides whether a definition is acceptable now. Throws InputError. `now` is unix milliseconds. */
export function assertTimely({ created, deadline, expires }: StoredDefinition, now: number, maxDeadlineDays: number): void {
  const at = { created: Date.parse(created), deadline: Date.parse(deadline), expires: Date.parse(expires) };
  const refuse = (message: string) => {
    throw new ApiError('InputError', `${message}. It is now ${new Date(now).toISOString()}`);
  };
  if (Math.abs(at.created - now) > SKEW_MS) refuse(`created ${created} is more than 15 minutes from now; set it when you create the task`);
  if (at.deadline < at.created) refuse(`deadline ${deadline} is before created ${created}`);
  if (at.deadline < now) refuse(`deadline ${deadline} is in the past`);
  if (at.deadline > now + maxDeadlineDays * DAY_MS + SKEW_MS) refuse(`deadline ${deadline} is more than ${maxDeadlineDays} days ahead`);
  if (at.expires < at.deadline) refuse(`expires ${expires} is before the deadline ${deadline}`);
}

/** What is stored of a signature. */
export interface Signed {
  jws?: string;
  /** Absent where nobody asked for one, and there is none. */
  verdict?: FoundSignature;
}

/**
 * What "identical" means when createTask is repeated: SHA-256 of the canonical form, so that the order of keys does not matter. Of a signed
 * task it is that of what was signed, which the definition is part of: the signature itself may differ each time that it is made. But not
 * where it was not verified: a good one must not be taken for the bad one that came first.
 */
export function digestOf(definition: StoredDefinition, { jws, verdict }: Signed = {}): Buffer {
  if (verdict?.verdict === 'verified' && verdict.payloadDigest !== undefined) return Buffer.from(verdict.payloadDigest, 'hex');
  return createHash('sha256')
    .update(jws ?? canonicalJson(definition))
    .digest();
}

const PRIORITY = ',"priority":"';

interface Stored {
  /** JSON. */
  definition: string;
  rank: number;
  isSigned: boolean;
}

/**
 * A stored definition as it is shown: with the priority the task has now, and otherwise the text that was stored. What is signed is shown
 * as it was signed, or nobody could verify it; its priority of now is in the status.
 */
export function shownDefinition({ definition, rank, isSigned }: Stored): StoredDefinition {
  return isSigned ? rawJson(definition) : withRank(definition, rank);
}

/** The first `,"priority":"` is the field: a quote within a text is escaped, and objects of the creator come later. */
function withRank(json: string, rank: number): StoredDefinition {
  const from = json.indexOf(PRIORITY) + PRIORITY.length;
  const shown = priorityOf(rank);
  if (json.startsWith(`${shown}"`, from)) return rawJson(json);
  return rawJson(json.slice(0, from) + shown + json.slice(json.indexOf('"', from)));
}
