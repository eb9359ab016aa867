import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createDataSource } from '../../dist/src/service/postgres/data-source.js';
import { startEmbeddedPostgres } from '../../dist/src/service/postgres/embedded-postgres.js';
import { migrate } from '../../dist/src/service/postgres/migrate.js';
import { isReadable } from '../../dist/test/support/unprivileged.js';

/**
 * One Postgres for all test files: TEST_DATABASE_URL (a superuser's URL of a server, 14 or later), or an embedded one that does
 * not sync. Every file works in databases of its own, copied from a migrated template.
 */
export default async () => {
  let url = process.env.TEST_DATABASE_URL;
  if (!url) {
    const dataDir = mkdtempSync(path.join(tmpdir(), 'leasehold-test-'));
    const embedded = await startEmbeddedPostgres({ dataDir, durable: false, settings: { max_connections: '400' } });
    url = embedded.url;
    globalThis.stopPostgres = async () => {
      await embedded.stop();
      rmSync(dataDir, { recursive: true, force: true });
    };
  }
  const admin = await createDataSource(url, 1).initialize();
  await admin.query('drop database if exists leasehold_template');
  await admin.query('create database leasehold_template');
  await admin.destroy();
  const template = withDatabase(url, 'leasehold_template');
  const dataSource = await createDataSource(template, 1).initialize();
  await migrate(dataSource, template);
  await dataSource.destroy();
  process.env.TEST_SERVER_URL = url;
  if (!isReadable(path.resolve('dist/src/cli/leasehold.js'))) copyPrograms();
};

/** For the user who makes sandboxes, where the project is in a place that only root can enter: the programs, and what they import. */
function copyPrograms() {
  const copy = mkdtempSync(path.join(tmpdir(), 'leasehold-programs-'));
  const packages = execFileSync('npm', ['ls', '--omit=dev', '--all', '--parseable'], { encoding: 'utf8' });
  const needed = packages.split('\n').filter((place) => place.includes('node_modules'));
  for (const place of ['package.json', 'dist', ...needed.map((place) => path.relative('.', place))])
    cpSync(place, path.join(copy, place), { recursive: true });
  chmodSync(copy, 0o755);
  process.env.TEST_PROGRAMS = copy;
  globalThis.removePrograms = () => rmSync(copy, { recursive: true, force: true });
}

function withDatabase(url, name) {
  return url.replace(/^(postgres(?:ql)?:\/\/[^/]*\/)[^?]*/, `$1${name}`);
}
