import { rebaseAudit } from './audit/sql/rebase-audit.js';
import { readConfig } from './config.js';
import { createDataSource } from './postgres/data-source.js';
import { startEmbeddedPostgres } from './postgres/embedded-postgres.js';
import { migrate } from './postgres/migrate.js';
import { MIGRATING } from './postgres/session.js';

/** `npm run migrate`: brings the database's schema up to date without starting the service. */
const config = readConfig(process.env);
const embedded = config.databaseUrl === undefined ? await startEmbeddedPostgres({ dataDir: config.dataDir }) : undefined;
const url = embedded?.url ?? (config.databaseUrl as string);
const dataSource = await createDataSource(url, 1, MIGRATING).initialize();
const applied = await migrate(dataSource, url, [rebaseAudit]);
console.log(applied.length > 0 ? `Applied: ${applied.join(', ')}` : 'The schema is up to date.');
await dataSource.destroy();
await embedded?.stop();
