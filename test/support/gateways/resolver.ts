import type { LookupAddress, lookup } from 'node:dns';
import { isIPv6 } from 'node:net';

/**
 * Stands in for node:dns.lookup, so that a name can lead where no name server of ours would: each question for a name gets the next of its
 * answers, the last one for ever. A name that changes its answer between the check and the connection is one with two.
 */
export class Resolver {
  /** Names that were asked for, in order. */
  readonly asked: string[] = [];

  /** `answers`: by name, the addresses of each answer. */
  constructor(private readonly answers: Record<string, string[][]>) {}

  readonly lookup = ((hostname: string, options: object, callback?: (...answer: unknown[]) => void) => {
    const [done, all] =
      typeof options === 'function' ? [options as NonNullable<typeof callback>, false] : [callback!, 'all' in options && options.all];
    const found = this.resolve(hostname);
    if (!found[0]) return queueMicrotask(() => done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND' })));
    const { address, family } = found[0];
    queueMicrotask(() => (all ? done(null, found) : done(null, address, family)));
  }) as unknown as typeof lookup;

  private resolve(hostname: string): LookupAddress[] {
    const nth = this.asked.filter((name) => name === hostname).length;
    this.asked.push(hostname);
    const answers = this.answers[hostname] ?? [];
    return (answers[Math.min(nth, answers.length - 1)] ?? []).map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  }
}
