import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import { Tasks1764000000001 } from '../../../migrations/1764000000001-tasks.js';
import { ClientsAndRoles1764000000002 } from '../../../migrations/1764000000002-clients-and-roles.js';
import { Fleet1764000000003 } from '../../../migrations/1764000000003-fleet.js';
import { Events1764000000004 } from '../../../migrations/1764000000004-events.js';
import { Artifacts1764000000005 } from '../../../migrations/1764000000005-artifacts.js';
import { DefinitionSize1764000000006 } from '../../../migrations/1764000000006-definition-size.js';
import { ArtifactSweep1764000000007 } from '../../../migrations/1764000000007-artifact-sweep.js';
import { Autovacuum1764000000009 } from '../../../migrations/1764000000009-autovacuum.js';
import { GroupProgress1764000000010 } from '../../../migrations/1764000000010-group-progress.js';
import { SigningKeys1764000000011 } from '../../../migrations/1764000000011-signing-keys.js';
import { TaskTokens1764000000012 } from '../../../migrations/1764000000012-task-tokens.js';
import { Audit1764000000013 } from '../../../migrations/1764000000013-audit.js';
import { Authority1764000000014 } from '../../../migrations/1764000000014-authority.js';
import { ScopeUse1764000000015 } from '../../../migrations/1764000000015-scope-use.js';
import { ProofsOfPossession1764000000016 } from '../../../migrations/1764000000016-proofs-of-possession.js';
import { AuditBlocks1764000000017 } from '../../../migrations/1764000000017-audit-blocks.js';
import { Lineage1764000000018 } from '../../../migrations/1764000000018-lineage.js';
import { LostAuthority1764000000020 } from '../../../migrations/1764000000020-lost-authority.js';
import { Signatures1764000000021 } from '../../../migrations/1764000000021-signatures.js';
import { SignaturePolicies1764000000022 } from '../../../migrations/1764000000022-signature-policies.js';
import { RegistryAuthority1764000000023 } from '../../../migrations/1764000000023-registry-authority.js';
import { ConfigError } from '../config.js';
import { hotPoolSize } from './hot-sql.js';
import { SERVING, session, type Timeouts } from './session.js';

/** Two cores of Postgres are busy with eight connections; the rest is head room for slow reads, of which four pages may be read at once. */
const LARGEST_POOL = 16;
const SMALLEST_POOL = 8;
const ALL_POOLS = 64;

/** How many connections the pool of each of so many processes may open. */
export function poolSize(processes: number): number {
  return Math.max(SMALLEST_POOL, Math.min(LARGEST_POOL, Math.floor(ALL_POOLS / processes)));
}

/** How many connections so many processes may open in all: pools, one each that listens, and two to migrate and to look at it. */
export function mostConnections(processes: number): number {
  return processes * (poolSize(processes) + hotPoolSize(processes) + 1) + 2;
}

/** The connection pool and the migrations. `url` is any libpq URL; a host that is a directory means a Unix socket. */
export function createDataSource(url: string, poolSize: number = LARGEST_POOL, timeouts: Timeouts = SERVING): DataSource {
  return new DataSource({
    type: 'postgres',
    url,
    poolSize,
    migrations: [
      Tasks1764000000001,
      ClientsAndRoles1764000000002,
      Fleet1764000000003,
      Events1764000000004,
      Artifacts1764000000005,
      DefinitionSize1764000000006,
      ArtifactSweep1764000000007,
      Autovacuum1764000000009,
      GroupProgress1764000000010,
      SigningKeys1764000000011,
      TaskTokens1764000000012,
      Audit1764000000013,
      Authority1764000000014,
      ScopeUse1764000000015,
      ProofsOfPossession1764000000016,
      AuditBlocks1764000000017,
      Lineage1764000000018,
      LostAuthority1764000000020,
      Signatures1764000000021,
      SignaturePolicies1764000000022,
      RegistryAuthority1764000000023,
    ],
    migrationsTableName: 'migration',
    extra: session(timeouts),
  });
}

/** TypeORM's query() has no named form and changes shape with the statement; the pool behind it has neither flaw. */
export function poolOf(dataSource: DataSource): Pool {
  return (dataSource.driver as unknown as { master: Pool }).master;
}

/** Opens a pool of at most so many connections. Throws ConfigError with the reason when the database cannot be reached. */
export async function connect(url: string, poolSize: number, timeouts: Timeouts = SERVING): Promise<DataSource> {
  try {
    return await createDataSource(url, poolSize, timeouts).initialize();
  } catch (cause) {
    throw new ConfigError(`The database cannot be reached: ${reasonOf(cause as Error)}. Check DATABASE_URL`, { cause });
  }
}

/** A host name with several addresses fails with one error for each of them, and a message only in those. */
function reasonOf(error: Error): string {
  return error.message || ((error as AggregateError).errors ?? [error]).map(String).join(', ');
}
