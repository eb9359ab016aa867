import { randomUUID } from 'node:crypto';
import type { Log } from '../log.js';
import type { Answer, Patience } from '../queue/ask.js';
import { BackOff, pause } from '../queue/back-off.js';
import { Turns } from '../turns.js';
import { HOLD_BACK } from './claim-refused.js';

/** A service lets a claim wait for 28 s at most. */
const ANSWER_WITHIN = 60_000;
/** With several task queues, how long one is asked before it is another one's turn. */
const TURN = 4_000;
/** What a worker that is told to end waits for an answer that may be under way. */
const LAST_CALL = 2_000;
/** A service that does not let claims wait would be asked without end. */
const ASKED_AGAIN_AFTER = 1_000;

/** Claims that an answer can have: no worker asks for more. What a strange queue puts in beyond that lapses. */
const MOST_CLAIMS = 32;
/** Claims that are given back at the same time. */
const DECLINED_AT_ONCE = 4;
const NEVER = new AbortController().signal;

/** One claim, as it was answered. Nothing of it is known to be good. */
export interface Offer {
  claim: unknown;
  taskQueueId: string;
  answer: Pick<Answer, 'at' | 'queueNow'>;
}

/** What a worker learns of itself from a claim that it refuses. */
export interface Lesson {
  /** Another worker may know the key that we do not. */
  elsewhere: boolean;
  /** We cannot check claims. */
  ownFault: boolean;
}

export interface ClaimTerms {
  taskQueues: readonly string[];
  capacity: number;
  /** Throws where no claim could be checked now. */
  assertCanVerify: () => void;
  ask: (question: Question & { taskQueueId: string }, patience: Patience) => Promise<Answer>;
  /** Runs it to its end; resolves once its place is free. Never rejects. `learn` is called before it first waits. */
  run: (offer: Offer, learn: (lesson: Lesson) => void) => Promise<void>;
  /** Gives it back. Never rejects. */
  decline: (offer: Offer, why: string) => Promise<void>;
  log: Log;
}

/** Kept until it is answered: the same key brings back what was given out by an answer that was lost. */
interface Question {
  key: string;
  tasks: number;
}

/** One task queue, and when it may be asked again (performance.now()). */
class Line {
  question: Question | undefined;
  notBefore = 0;
  readonly backOff = new BackOff();

  constructor(readonly taskQueueId: string) {}
}

/** Asks for work, for as much as there is room, until it is stopped. */
export class ClaimLoop {
  readonly #lines: Line[];
  readonly #running = new Set<Promise<void>>();
  /** These take no place, but are waited for. */
  readonly #declining = new Set<Promise<void>>();
  readonly #declines = new Turns(DECLINED_AT_ONCE);
  readonly #stopping = new AbortController();
  readonly #ownFault = new BackOff();
  #readyAt = 0;
  #wake = new AbortController();

  constructor(private readonly terms: ClaimTerms) {
    this.#lines = terms.taskQueues.map((taskQueueId) => new Line(taskQueueId));
  }

  /** Ends once it is stopped, and what was answered until then is running or given back. */
  async run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const line = this.#hasRoom && this.#isReady() ? this.#nextLine() : undefined;
      await (line ? this.#turn(line) : this.#idle());
    }
  }

  /** Claims nothing more. */
  stop(): void {
    this.#stopping.abort();
    this.#wake.abort();
  }

  /** After the end of `run`: what may have been given to us while we hung up comes back by the same key, and is given back. */
  async lastCall(signal: AbortSignal): Promise<void> {
    const asked = this.#lines.flatMap(({ question, taskQueueId }) => (question ? [{ ...question, taskQueueId }] : []));
    await Promise.all(
      asked.map(async (question) => {
        const answer = await this.terms.ask(question, { within: LAST_CALL, signal });
        await Promise.all(claimsIn(answer).map((claim) => this.#decline({ claim, taskQueueId: question.taskQueueId, answer })));
      }),
    );
  }

  /** Resolves once nothing runs any longer. */
  async idle(): Promise<void> {
    while (this.#running.size + this.#declining.size > 0) await Promise.all([...this.#running, ...this.#declining]);
  }

  get #free(): number {
    return this.terms.capacity - this.#running.size;
  }

  /** What was given to us and cannot be run is given back first, or a queue that always gives more would fill our memory. */
  get #hasRoom(): boolean {
    return this.#free > 0 && this.#declines.waiting === 0;
  }

  /** Whether claims could be checked: otherwise each would use up a retry of a task. */
  #isReady(): boolean {
    if (performance.now() < this.#readyAt) return false;
    try {
      this.terms.assertCanVerify();
      return true;
    } catch (error) {
      this.#notReady((error as Error).message);
      return false;
    }
  }

  #notReady(why: string): void {
    const wait = this.#ownFault.next();
    this.#readyAt = performance.now() + wait;
    this.terms.log.error('No work is claimed until this is mended', { why, againInMs: wait });
  }

  /** The one that was not asked for the longest time, of those that may be asked: they take turns. */
  #nextLine(): Line | undefined {
    const index = this.#lines.findIndex(({ notBefore }) => notBefore <= performance.now());
    if (index < 0) return undefined;
    const [line] = this.#lines.splice(index, 1);
    this.#lines.push(line!);
    return line;
  }

  /** Until a place is free, or a task queue may be asked again. */
  async #idle(): Promise<void> {
    const next = Math.max(this.#readyAt, Math.min(...this.#lines.map(({ notBefore }) => notBefore)));
    await pause(this.#hasRoom ? next - performance.now() + 1 : ANSWER_WITHIN, this.#wake.signal);
    if (this.#wake.signal.aborted) this.#wake = new AbortController();
  }

  async #turn(line: Line): Promise<void> {
    const takesTurns = this.#lines.length > 1;
    line.question = { key: line.question?.key ?? randomUUID(), tasks: this.#free };
    const asked = performance.now();
    const question = { ...line.question, taskQueueId: line.taskQueueId };
    const answer = await this.terms.ask(question, { within: takesTurns ? TURN : ANSWER_WITHIN, signal: this.#stopping.signal });
    if (answer.status === 0 && (this.#stopping.signal.aborted || (takesTurns && answer.at - asked > TURN - 100))) return;
    if (!isAnswered(answer)) return this.#failed(line, answer);
    line.question = undefined;
    line.backOff.reset();
    const claims = claimsIn(answer);
    if (claims.length === 0 && answer.at - asked < ASKED_AGAIN_AFTER)
      line.notBefore = answer.at + ASKED_AGAIN_AFTER * (0.5 + Math.random());
    for (const claim of claims) this.#take(line, { claim, taskQueueId: line.taskQueueId, answer });
  }

  #failed(line: Line, { message, status, retryAfter }: Answer): void {
    const wait = line.backOff.next(retryAfter);
    line.notBefore = performance.now() + wait;
    const why = status === 200 ? 'something answered that is no task queue; is rootUrl right?' : message;
    this.terms.log.warn('No work could be claimed; it is tried again', { taskQueueId: line.taskQueueId, why, inMs: wait });
  }

  /** More than was asked for comes where an answer was lost and there is less room now, or from who is not to be trusted. */
  #take(line: Line, offer: Offer): void {
    if (this.#free <= 0 || this.#stopping.signal.aborted || performance.now() < this.#readyAt) {
      this.#hold(this.#declining, this.#decline(offer));
      return;
    }
    let fault = false;
    const run = this.terms.run(offer, ({ elsewhere, ownFault }) => {
      if (elsewhere) line.notBefore = performance.now() + HOLD_BACK * 1000;
      fault = ownFault;
    });
    if (fault) this.#notReady('A claim could not be checked');
    else this.#ownFault.reset();
    this.#hold(this.#running, run);
  }

  #hold(held: Set<Promise<void>>, work: Promise<void>): void {
    held.add(work);
    void work.finally(() => {
      held.delete(work);
      this.#wake.abort();
    });
  }

  #decline(offer: Offer): Promise<void> {
    return this.#declines.take(NEVER, () => this.terms.decline(offer, 'there is no place for it'));
  }
}

const isAnswered = ({ status, body }: Answer) => status === 200 && Array.isArray((body as { tasks?: unknown } | null)?.tasks);
const claimsIn = (answer: Answer): unknown[] =>
  isAnswered(answer) ? (answer.body as { tasks: unknown[] }).tasks.slice(0, MOST_CLAIMS) : [];
