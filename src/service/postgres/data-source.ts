import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import { Tasks1764000000001 } from '../../../migrations/1764000000001-tasks.js';
import { ClientsAndRoles1764000000002 } from '../../../migrations/1764000000002-clients-and-roles.js';
import { Fleet1764000000003 } from '../../../migrations/1764000000003-fleet.js';
import { Events1764000000004 } from '../../../migrations/1764000000004-events.js';
import { Artifacts1764000000005 } from '../../../migrations/1764000000005-artifacts.js';
import { DefinitionSize1764000000006 } from '../../../migrations/1764000000006-definition-size.js';
import { ArtifactSweep1764000000007 } from '../../../migrations/1764000000007-artifact-sweep.js';
import { SESSION } from './session.js';

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
    extra: SESSION,
  });
}

/** TypeORM's query() has no named form and changes shape with the statement; the pool behind it has neither flaw. */
export function poolOf(dataSource: DataSource): Pool {
  return (dataSource.driver as unknown as { master: Pool }).master;
}
