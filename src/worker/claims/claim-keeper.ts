import { createLeaseholdClient } from '../../client/client.js';
import type { Credentials } from '../../credentials/ext.js';
import type { Log } from '../log.js';
import { type Answer, ask, type QueueClient } from '../queue/ask.js';
import { BackOff, pause } from '../queue/back-off.js';
import { followTask } from '../queue/follow-task.js';
import { leaseEnd } from '../queue/lease.js';
import { credentialsIn, type QueuesWord, queuesWordOf, type Worded } from './queues-word.js';
import type { Run } from './seen-runs.js';

const ANSWER_WITHIN = 30_000;
/** Of what is left of the lease: a reclaim that fails can be tried again for as long. */
const EARLY = 0.5;
const JITTER = 0.1;
/** The longest that a timer takes, some 24 days. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** `cancelled`, `deadline` and `lost`: the run is not ours any longer, and nothing is reported. `worker-shutdown`: it is ours to end. */
export type StopReason = 'cancelled' | 'deadline' | 'lost' | 'worker-shutdown';

export interface Stop {
  reason: StopReason;
  /** In a line, for the log. */
  detail: string;
}

export interface Kept {
  run: Run;
  rootUrl: string;
  queue: QueuesWord;
  /** When the claim was answered. */
  answer: Pick<Answer, 'at' | 'queueNow'>;
  /** Unix milliseconds, of the definition that was verified. */
  deadline: number;
  log: Log;
  /** Told of each access token that comes, before it is used. */
  lent: (credentials: Credentials) => void;
}

/**
 * Keeps one claim: extends its lease early, has the credentials of now, and tells at once when the run is not ours any longer. Its own
 * monotonic clock has the last word: where nobody answers in time the run stops before another worker may begin the next one.
 */
export class ClaimKeeper {
  /** Aborted once, when the run is to stop. */
  readonly stopped: AbortSignal;
  /** Aborted when the run is not ours any longer: nothing is to be reported. */
  readonly lost: AbortSignal;
  /** Signs with the credentials of the moment. */
  readonly client: QueueClient;

  readonly #stopping = new AbortController();
  readonly #losing = new AbortController();
  readonly #over = new AbortController();
  #credentials: Credentials;
  #leaseEnd: number;
  #fence: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #stop: Stop | undefined;

  constructor(private readonly kept: Kept) {
    this.stopped = this.#stopping.signal;
    this.lost = this.#losing.signal;
    this.#credentials = credentialsIn(kept.queue) ?? { clientId: '', accessToken: '' };
    this.#leaseEnd = leaseEnd(kept.queue.takenUntil, kept.answer);
    this.client = createLeaseholdClient({ rootUrl: kept.rootUrl, credentials: () => this.#credentials });
  }

  /** Until `end`. */
  begin(): void {
    this.kept.lent(this.#credentials);
    this.#setFence();
    const left = Math.min(this.kept.deadline - Date.now(), LONGEST_TIMER);
    this.#deadline = setTimeout(() => this.stop({ reason: 'deadline', detail: 'its deadline has passed' }), left);
    void this.#reclaiming();
    void this.#following();
  }

  get credentials(): Credentials {
    return this.#credentials;
  }

  /** Milliseconds until somebody else may have the run. */
  get leaseLeft(): number {
    return this.#leaseEnd - performance.now();
  }

  /** Why the run is to stop. */
  get why(): Stop | undefined {
    return this.#stop;
  }

  /** The first reason counts; but one that takes the run away comes before the worker's own. */
  stop(why: Stop): void {
    if (!this.#isOurs || (this.#stop !== undefined && why.reason === 'worker-shutdown')) return;
    this.#stop = why;
    this.kept.log.info(`The run stops: ${why.detail}`, { reason: why.reason });
    this.#stopping.abort();
    if (why.reason !== 'worker-shutdown') this.#losing.abort();
  }

  /** The run has been reported, or given up: nobody keeps it any longer. */
  end(): void {
    this.#over.abort();
    clearTimeout(this.#fence);
    clearTimeout(this.#deadline);
  }

  get #isOurs(): boolean {
    return !this.#over.signal.aborted && !this.lost.aborted;
  }

  #setFence(): void {
    clearTimeout(this.#fence);
    const lapsed = { reason: 'lost', detail: 'its lease has lapsed, and could not be extended' } as const;
    this.#fence = setTimeout(() => this.stop(lapsed), Math.min(Math.max(0, this.leaseLeft), LONGEST_TIMER));
  }

  async #reclaiming(): Promise<void> {
    while (this.#isOurs) {
      await pause(this.leaseLeft * (EARLY + JITTER * (2 * Math.random() - 1)), this.#over.signal);
      const backOff = new BackOff();
      while (this.#isOurs && !(await this.#reclaimed(backOff)));
    }
  }

  /** Whether this round is over. */
  async #reclaimed(backOff: BackOff): Promise<boolean> {
    const { taskId, runId } = this.kept.run;
    const path = '/api/queue/v1/task/{taskId}/runs/{runId}/reclaim';
    const params = { path: { taskId, runId: String(runId) } };
    const within = Math.min(ANSWER_WITHIN, Math.max(1, this.leaseLeft));
    const answer = await ask((how) => this.client.POST(path, { params, ...how }), { within, signal: this.#over.signal });
    if (this.#over.signal.aborted || this.#take(answer)) return true;
    if (isFinal(answer)) {
      this.stop({ reason: 'lost', detail: answer.message });
      return true;
    }
    const wait = backOff.next(answer.retryAfter);
    this.kept.log.warn('The lease could not be extended; it is tried again', { why: answer.message, inMs: wait });
    await pause(Math.min(wait, Math.max(0, this.leaseLeft)), this.#over.signal);
    return false;
  }

  /** A lease never moves back; and an answer without credentials leaves those that there are. */
  #take(answer: Answer): boolean {
    if (answer.status !== 200) return false;
    const word = queuesWordOf((answer.body ?? {}) as Worded);
    const end = leaseEnd(word.takenUntil, { ...answer, at: answer.asked }); // its answer may have been long on the way
    if (end <= answer.at) return false;
    this.#credentials = credentialsIn(word) ?? this.#credentials;
    this.kept.lent(this.#credentials);
    this.#leaseEnd = Math.max(this.#leaseEnd, end);
    this.#setFence();
    this.kept.log.info('The lease was extended', { leaseMs: Math.round(this.leaseLeft) });
    return true;
  }

  async #following(): Promise<void> {
    const ending = await followTask(this.client, this.kept.run, this.#over.signal);
    if (ending === undefined) return;
    const detail = `the queue has ended it (${ending})`;
    this.stop({ reason: ending === 'canceled' ? 'cancelled' : ending === 'deadline-exceeded' ? 'deadline' : 'lost', detail });
  }
}

/** Whom the queue tells so has lost the run, or its credentials: to ask again changes nothing. */
const isFinal = ({ status, isQueues }: Answer) => isQueues && [400, 401, 403, 404, 409, 410].includes(status);
