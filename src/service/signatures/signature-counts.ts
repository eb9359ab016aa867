import { Injectable } from '@nestjs/common';
import { SignaturePolicies } from './signature-policies.js';

/** What became of a task that somebody looked at. */
export interface SignatureVerdict {
  taskQueueId: string;
  /** The queue when the task was created, or a worker before it ran. */
  by: 'queue' | 'worker';
  /** `failed` and `unsigned`: the policy let it pass all the same. */
  verdict: 'verified' | 'failed' | 'unsigned' | 'refused';
  /** Whose signature it is, or says to be; absent: there is none. */
  kid?: string | undefined;
}

export const SIGNATURE_LABELS = ['task_queue', 'by', 'verdict', 'kid'] as const;
type Labels = Record<(typeof SIGNATURE_LABELS)[number], string>;

const OTHER = 'other';
const NONE = 'none';

/** Prometheus keeps each for months, and we keep them to the end of the process. */
const MOST_SERIES = 5_000;

/**
 * Counts what became of signatures, so that who would turn `warn` into `require` sees what that would refuse. Whoever creates tasks chooses
 * task queues and kids: named are only queues that somebody gave a policy, and keys of their key sets.
 */
@Injectable()
export class SignatureCounts {
  private readonly series = new Map<string, [labels: Labels, count: number]>();

  constructor(private readonly policies: SignaturePolicies) {}

  count(seen: SignatureVerdict): void {
    const { by, verdict } = seen;
    const named = this.add(this.labelsOf(seen), MOST_SERIES);
    if (!named) this.add({ task_queue: OTHER, by, verdict, kid: OTHER }, Number.POSITIVE_INFINITY);
  }

  all(): Iterable<[Labels, number]> {
    return this.series.values();
  }

  private labelsOf({ taskQueueId, by, verdict, kid }: SignatureVerdict): Labels {
    const { policy, keySet } = this.policies.of(taskQueueId);
    const isSet = policy !== 'off' || keySet !== undefined;
    const isKnown = kid !== undefined && keySet?.keys[kid] !== undefined;
    return { task_queue: isSet ? taskQueueId : OTHER, by, verdict, kid: kid === undefined ? NONE : isKnown ? kid : OTHER };
  }

  /** False where that would be one series too many. */
  private add(labels: Labels, most: number): boolean {
    const name = Object.values(labels).join(' '); // none has a space
    const known = this.series.get(name);
    if (known) known[1]++;
    else if (this.series.size < most) this.series.set(name, [labels, 1]);
    else return false;
    return true;
  }
}
