import { DataSource } from 'typeorm';
import { Tasks1764000000001 } from '../../../migrations/1764000000001-tasks.js';
import { ClientsAndRoles1764000000002 } from '../../../migrations/1764000000002-clients-and-roles.js';
import { Fleet1764000000003 } from '../../../migrations/1764000000003-fleet.js';
import { Events1764000000004 } from '../../../migrations/1764000000004-events.js';
import { Artifacts1764000000005 } from '../../../migrations/1764000000005-artifacts.js';
import { DefinitionSize1764000000006 } from '../../../migrations/1764000000006-definition-size.js';
import { ArtifactSweep1764000000007 } from '../../../migrations/1764000000007-artifact-sweep.js';

/** Two cores of Postgres are busy with eight connections; the rest is head room for slow reads. */
const POOL_SIZE = 16;

/** The connection pool and the migrations. `url` is any libpq URL; a host that is a directory means a Unix socket. */
export function createDataSource(url: string, poolSize: number = POOL_SIZE): DataSource {
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
    ],
    migrationsTableName: 'migration',
    extra: {
      application_name: 'leasehold',
      connectionTimeoutMillis: 10_000,
      statement_timeout: 30_000,
      // a connection that was lost without a word answers nothing, not even the statement's time-out
      query_timeout: 35_000,
      keepAlive: true,
      // a forgotten open transaction holds back vacuum, and a queue table without vacuum slows down tenfold
      idle_in_transaction_session_timeout: 10_000,
    },
  });
}
