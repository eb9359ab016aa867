import { type Claimed, type SignatureCode, SignatureError } from '../../signatures/signature-error.js';
import { SetupError } from '../state/setup-error.js';
import type { QueuesWord } from './queues-word.js';
import type { Run } from './seen-runs.js';

/**
 * Seconds for which a worker that does not know a key leaves that task queue to others. The task waits again at once: without a pause the
 * same worker would take it each time until its retries are used up, before a worker with a newer key set has asked or ours has come.
 * Our queue gives it nothing for as long; others do not.
 */
export const HOLD_BACK = 30;

/** A run that this worker has begun already. */
export class BegunBefore extends SignatureError {
  constructor({ taskId, runId }: Run) {
    super('signature-context-mismatch', `Run ${runId} of task ${taskId} was begun by this worker before`);
  }
}

/** A claim of which nothing is run. Its message has names in it, and no values of the definition. */
export class ClaimRefused extends Error {
  /** What the run ends with. */
  readonly reason: 'signature-missing' | 'signature-invalid' | 'worker-shutdown';
  readonly code: SignatureCode;
  /** Which run it is, if the claim says so in one way. */
  readonly run: Run | undefined;
  /** Whose signature that was, and over what, by its own word. */
  readonly kid?: string;
  readonly payloadDigest?: string;
  /** Another worker may know the key: the task may be tried there, and this one holds back for HOLD_BACK seconds. */
  readonly elsewhere: boolean;
  /**
   * It is this worker that cannot check (no keys, a full disk), and nobody has found fault with the task: it may be tried elsewhere. The
   * worker is to claim nothing more until that is mended, or it would use up the retries of one task after another.
   */
  readonly ownFault: boolean;
  /**
   * It was begun by this worker before: it is under way, or the worker died over it, or somebody hands it out twice. Nothing is to be reported,
   * or that would end a run that is under way; where there is none the lease lapses, and the task is tried again.
   */
  readonly begunBefore: boolean;

  readonly #queue: QueuesWord | undefined;

  constructor(cause: unknown, { run, queue, claimed }: { run: Run | undefined; queue: QueuesWord | undefined; claimed: Claimed }) {
    const error = cause instanceof SignatureError ? cause : checkFailed(cause);
    super(error.message, { cause: error.cause });
    this.code = error.code;
    this.ownFault = run !== undefined && isOwnFault(error);
    this.reason = this.ownFault ? 'worker-shutdown' : reasonOf(error.code);
    this.begunBefore = error instanceof BegunBefore;
    this.elsewhere = error.code === 'signature-unknown-key';
    this.run = run;
    this.#queue = queue;
    Object.assign(this, claimed, error.claimed);
  }

  /** To tell the queue. No member of the error, for those are logged. */
  get queue(): QueuesWord | undefined {
    return this.#queue;
  }
}

const reasonOf = (code: SignatureCode) => (code === 'signature-missing' ? code : 'signature-invalid');

/** Not what the claim is at fault for, or one could stop worker after worker: one that cannot even be read has no run. */
const isOwnFault = ({ code }: SignatureError) => code === 'keyset-unavailable' || code === 'signature-check-error';

function checkFailed(cause: unknown): SignatureError {
  const { code } = (cause ?? {}) as NodeJS.ErrnoException;
  const failed = `The claim could not be checked${code === undefined ? '' : ` (${code})`}`;
  const why = cause instanceof SetupError ? cause.message : failed;
  return new SignatureError('signature-check-error', why, { cause });
}
