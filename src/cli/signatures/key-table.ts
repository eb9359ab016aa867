import type { KeySet } from '../../signatures/key-set.js';
import { type KeyState, keyStateAt, type VerificationKey } from '../../signatures/verification-key.js';
import { table } from '../table.js';
import { shownTime } from './options.js';

type ShownKey = Omit<VerificationKey, 'key'> & { state: KeyState };

/** The keys of a set as they are shown, and what each is at that time. */
export function shownKeys({ keys }: KeySet, now: number): ShownKey[] {
  return Object.values(keys).map((verificationKey) => {
    const { key: _, ...shown } = verificationKey;
    return { ...shown, state: keyStateAt(verificationKey, now) };
  });
}

/** A key set for people. */
export function keyTable(set: KeySet, now: number): string {
  const rows = shownKeys(set, now).map((key) => [
    key.kid,
    key.alg,
    key.state,
    shownTime(key.nbf),
    shownTime(key.exp),
    key.taskQueues?.join(' ') ?? 'all',
    key.owner ?? '-',
    key.thumbprint,
  ]);
  const heading = `Version ${set.version}, expires ${shownTime(set.expires)}`;
  return `${heading}\n${table([['KID', 'ALG', 'STATE', 'FROM', 'UNTIL', 'TASK QUEUES', 'OWNER', 'THUMBPRINT'], ...rows])}`;
}
