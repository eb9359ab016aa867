import type { Credentials } from '../../credentials/ext.js';
import { deepFrozen } from '../../signatures/json-value.js';

/** What the queue says of a claim, as it was when that was checked. Nobody has signed it: it is good for talking to that queue. */
export interface QueuesWord {
  readonly takenUntil: string | undefined;
  /** Secret. */
  readonly credentials: Readonly<Record<'clientId' | 'accessToken' | 'certificate', string | undefined>>;
}

/** Of a claim; whatever the queue likes may be there. */
export interface Worded {
  takenUntil?: unknown;
  credentials?: { clientId?: unknown; accessToken?: unknown; certificate?: unknown } | null;
}

/** Texts, and nothing else that the queue may have put there. */
export function queuesWordOf({ takenUntil, credentials }: Worded): QueuesWord {
  const { clientId, accessToken, certificate } = credentials ?? {};
  const given = { clientId: text(clientId), accessToken: text(accessToken), certificate: text(certificate, LONGEST_CERTIFICATE) };
  return deepFrozen({ takenUntil: text(takenUntil), credentials: given });
}

/** What the queue lent, to sign with; undefined where something of it is missing. */
export function credentialsIn({ credentials }: QueuesWord): Credentials | undefined {
  const { clientId, accessToken, certificate } = credentials;
  if (clientId === undefined || accessToken === undefined) return undefined;
  return { clientId, accessToken, ...(certificate !== undefined && { certificate }) };
}

/** Whatever token the queue lends is looked for in logs, by an automaton that grows with it. */
const LONGEST = 1024;
/** With all scopes of a run. */
const LONGEST_CERTIFICATE = 4 * 1024 * 1024;

const text = (value: unknown, most = LONGEST) => (typeof value === 'string' && value.length <= most ? value : undefined);
