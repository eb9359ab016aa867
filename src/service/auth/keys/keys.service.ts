import { Injectable, type OnModuleInit } from '@nestjs/common';
import { generateSigningKey, type SigningAlg, type StorableKey } from '../../../credentials/signing-key.js';
import { Config } from '../../config.js';
import { ApiError } from '../../http/api-error.js';
import { Logger } from '../../http/logger.js';
import { Keys } from '../../keys.js';
import { auditParameters, insertAudit } from '../../postgres/audit-log.js';
import { Bulletin } from '../../postgres/bulletin.js';
import { Housekeeper, type Left } from '../../postgres/housekeeper.js';
import { type Runner, Sql } from '../../postgres/sql.js';
import { CLOCK_SKEW, longestBelief, PUBLISH_LEAD } from './key-life.js';
import { Keyring } from './keyring.js';
import type { SigningKeyResponse } from './keys.dto.js';
import { sealedKey } from './sealed-key.js';
import { activateSigningKey } from './sql/activate-signing-key.js';
import { compromiseSigningKey } from './sql/compromise-signing-key.js';
import { deleteSigningKeys } from './sql/delete-signing-keys.js';
import { insertSigningKey } from './sql/insert-signing-key.js';
import { listSigningKeys, type SigningKeyRow } from './sql/list-signing-keys.js';
import { lockSigningKeys } from './sql/lock-signing-keys.js';
import { resumeSigningKey } from './sql/resume-signing-key.js';
import { retireSigningKey } from './sql/retire-signing-key.js';

const DELETE_EVERY = 300; // seconds

/** Changes the keys that sign tokens. Who changes them takes turns, so each decides on what is there. */
@Injectable()
export class KeysService implements OnModuleInit {
  constructor(
    private readonly sql: Sql,
    private readonly keyring: Keyring,
    private readonly bulletin: Bulletin,
    private readonly keys: Keys,
    private readonly config: Config,
    private readonly housekeeper: Housekeeper,
    private readonly log: Logger,
  ) {}

  onModuleInit(): void {
    this.housekeeper.register({ name: 'forgetting signing keys', every: DELETE_EVERY, batch: () => this.forget() });
  }

  async list(): Promise<SigningKeyResponse[]> {
    return (await this.sql.query(listSigningKeys)).map(described);
  }

  /** Publishes a key that signs once verifiers can know it. */
  async rotate(alg: SigningAlg, actor?: string): Promise<SigningKeyResponse> {
    assertNoneNext(alg, await this.sql.query(listSigningKeys)); // before a key is made
    const key = await generateSigningKey(alg);
    await this.change(async (runner, rows) => {
      assertNoneNext(alg, rows);
      const former = rows.find((row) => row.alg === alg && row.state === 'active');
      if (former) await runner.query(retireSigningKey, [former.kid, PUBLISH_LEAD, longestBelief(this.config)]);
      await this.insert(runner, key, former ? PUBLISH_LEAD : 0);
      const detail = { alg, kid: key.publicJwk.kid, former: former?.kid };
      await runner.query(insertAudit, auditParameters([{ kind: 'key-rotated', actor, detail }]));
    });
    this.log.info({ alg, kid: key.publicJwk.kid }, 'a signing key is published; it signs once verifiers can know it');
    return this.described(key.publicJwk.kid);
  }

  /** Nothing that the key signed is believed any more. If it signs, or was about to, another one does instead. */
  async compromise(kid: string, actor?: string): Promise<SigningKeyResponse> {
    const { alg, state } = found(kid, await this.sql.query(listSigningKeys));
    if (state !== 'compromised') {
      const spare = await generateSigningKey(alg);
      await this.change(async (runner, rows) => {
        await this.replace(runner, found(kid, rows), rows, spare);
        await runner.query(insertAudit, auditParameters([{ kind: 'key-compromised', actor, detail: { alg, kid } }]));
      });
      this.log.warn({ alg, kid }, 'a signing key was called compromised: nothing that it signed is believed any more');
    }
    return this.described(kid);
  }

  private async replace(runner: Runner, row: SigningKeyRow, rows: SigningKeyRow[], spare: StorableKey): Promise<void> {
    if (row.state === 'compromised') return;
    await runner.query(compromiseSigningKey, [row.kid, longestBelief(this.config)]);
    const [next, active] = (['next', 'active'] as const).map((state) =>
      rows.find((other) => other.alg === row.alg && other.state === state),
    );
    if (row === next && active) await runner.query(resumeSigningKey, [active.kid]);
    else if (row === active && next) await runner.query(activateSigningKey, [next.kid]);
    else if (row === active || row === next) await this.insert(runner, spare, 0);
  }

  private async insert(runner: Runner, key: StorableKey, lead: number): Promise<void> {
    await runner.query(insertSigningKey, [...sealedKey(this.keys, key), lead]);
  }

  private async change(work: (runner: Runner, rows: SigningKeyRow[]) => Promise<void>): Promise<void> {
    await this.sql.transaction(async (runner) => {
      await runner.query(lockSigningKeys);
      await work(runner, await runner.query(listSigningKeys));
    });
    await this.tell();
  }

  /** Deletes keys whose last token has ended. */
  async forget(): Promise<Left> {
    const gone = await this.sql.query(deleteSigningKeys, [CLOCK_SKEW]);
    if (gone.length > 0) await this.tell();
    return 'done';
  }

  private tell(): Promise<void> {
    this.bulletin.authChanged();
    return this.keyring.refresh();
  }

  private async described(kid: string): Promise<SigningKeyResponse> {
    return described(found(kid, await this.sql.query(listSigningKeys)));
  }
}

function assertNoneNext(alg: SigningAlg, rows: SigningKeyRow[]): void {
  const next = rows.find((row) => row.alg === alg && row.state === 'next');
  if (!next) return;
  const from = next.activeFrom.toISOString();
  throw new ApiError(
    'RequestConflict',
    `A rotation of ${alg} is under way: ${next.kid} is published, and signs from ${from} on. Rotate again after that; a key that leaked is replaced at once by compromiseKey`,
  );
}

function found(kid: string, rows: SigningKeyRow[]): SigningKeyRow {
  const row = rows.find((one) => one.kid === kid);
  if (!row) throw new ApiError('ResourceNotFound', `There is no signing key ${kid}; it may have been deleted after its last token ended`);
  return row;
}

function described({ kid, alg, state, published, activeFrom, publicJwk, ...ends }: SigningKeyRow): SigningKeyResponse {
  const { retiredAt, deleteAfter, compromised } = ends;
  return {
    ...{ kid, alg, state },
    ...{ published: published.toISOString(), activeFrom: activeFrom.toISOString() },
    ...(retiredAt && { retiredAt: retiredAt.toISOString() }),
    ...(deleteAfter && { deleteAfter: deleteAfter.toISOString() }),
    ...(compromised && { compromised: compromised.toISOString() }),
    publicJwk: publicJwk as SigningKeyResponse['publicJwk'],
  };
}
