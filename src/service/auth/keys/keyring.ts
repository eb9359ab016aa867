import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { CryptoKey } from 'jose';
import { generateSigningKey, type PublicJwk, SIGNING_ALGS, type SigningAlg, type UsableKey } from '../../../credentials/signing-key.js';
import { ApiError } from '../../http/api-error.js';
import { Logger } from '../../http/logger.js';
import { Keys } from '../../keys.js';
import { Bulletin } from '../../postgres/bulletin.js';
import { KeptCopy } from '../../postgres/kept-copy.js';
import { Sql } from '../../postgres/sql.js';
import { openedKey, sealedKey } from './sealed-key.js';
import { insertFirstSigningKey } from './sql/insert-first-signing-key.js';
import { listSigningKeys, type SigningKeyRow } from './sql/list-signing-keys.js';

/** A key that signs now. */
export interface SigningKey {
  kid: string;
  alg: SigningAlg;
  /** The private half; it cannot be exported. */
  key: CryptoKey;
}

export interface VerifyingKey {
  alg: SigningAlg;
  key: CryptoKey;
}

type Held = Map<string, { state: SigningKeyRow['state']; key: UsableKey }>;

/**
 * The keys that sign tokens, in memory. Which of them signs is what the database's clock said at the last look: the one before is
 * published for long after, so a look that is late does no harm.
 */
@Injectable()
export class Keyring implements OnApplicationBootstrap, OnModuleDestroy {
  private held: Held = new Map();
  private published: { keys: PublicJwk[] } = { keys: [] };
  private readonly lamented = new Set<string>();
  private readonly copy = new KeptCopy(
    'signing keys',
    () => this.read(),
    (held) => this.load(held),
  );

  constructor(
    private readonly sql: Sql,
    private readonly bulletin: Bulletin,
    private readonly keys: Keys,
    private readonly log: Logger,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.refresh();
    await this.makeFirst();
    this.copy.follow(this.bulletin, ({ auth }) => auth);
  }

  onModuleDestroy(): void {
    this.copy.stop();
  }

  /** The key that signs now. Throws ServiceUnavailable where there is none that can be used. */
  signer(alg: SigningAlg = 'ES256'): SigningKey {
    for (const [kid, { state, key }] of this.held) {
      if (state === 'active' && key.publicJwk.alg === alg) return { kid, alg, key: key.privateKey };
    }
    throw new ApiError('ServiceUnavailable', `No key can sign ${alg}; an administrator finds the reason in the service's log`);
  }

  /** The same by a copy that is 5 s old at most: what nobody looks up again must not be signed by a key that leaked. Rejects while the database is away. */
  async freshSigner(): Promise<SigningKey> {
    await this.copy.fresh();
    return this.signer();
  }

  /** Public keys as verifiers are told: what signs, what is about to, and what did while its tokens last. The same object until they change. */
  jwks(): { keys: PublicJwk[] } {
    return this.published;
  }

  /** Seconds since the database told these keys. */
  get age(): number {
    return this.copy.age / 1000;
  }

  /** undefined: unknown, or compromised. */
  publicKey(kid: string): VerifyingKey | undefined {
    const key = this.held.get(kid)?.key;
    return key && { alg: key.publicJwk.alg, key: key.publicKey };
  }

  /** The same by a copy that is 5 s old at most; a key that this replica has not heard of yet is looked for. Rejects while the database is away. */
  async findPublicKey(kid: string): Promise<VerifyingKey | undefined> {
    await this.copy.fresh();
    const known = this.publicKey(kid);
    if (known) return known;
    await this.refresh(); // all who ask at once share one look
    return this.publicKey(kid);
  }

  refresh(): Promise<void> {
    return this.copy.refresh();
  }

  private async read(): Promise<Held> {
    const rows = await this.sql.query(listSigningKeys);
    const held: Held = new Map();
    for (const row of rows.filter(({ state }) => state !== 'compromised')) {
      const key = this.held.get(row.kid)?.key ?? (await this.opened(row));
      if (key) held.set(row.kid, { state: row.state, key });
    }
    return held;
  }

  /** One key that cannot be opened (somebody changed the table) does not take the others with it. */
  private async opened(row: SigningKeyRow): Promise<UsableKey | undefined> {
    try {
      return await openedKey(this.keys, row);
    } catch {
      // nothing of the error: it was made of what should be a secret
      const { kid, alg, state } = row;
      if (!this.lamented.has(kid)) this.log.error({ kid, alg, state }, 'a signing key cannot be opened, so it counts as none; replace it');
      this.lamented.add(kid);
      return undefined;
    }
  }

  private load(held: Held): void {
    this.held = held;
    const keys = [...held.values()].map(({ key }) => key.publicJwk);
    if (keys.map(({ kid }) => kid).join() !== this.published.keys.map(({ kid }) => kid).join()) this.published = { keys };
  }

  /** At the first start of all. What another replica has made meanwhile stays. */
  private async makeFirst(): Promise<void> {
    const signing = [...this.held.values()].filter(({ state }) => state === 'active').map(({ key }) => key.publicJwk.alg);
    const missing = SIGNING_ALGS.filter((alg) => !signing.includes(alg));
    if (missing.length === 0) return;
    for (const key of await Promise.all(missing.map(generateSigningKey))) {
      await this.sql.query(insertFirstSigningKey, sealedKey(this.keys, key));
    }
    await this.refresh();
  }
}
