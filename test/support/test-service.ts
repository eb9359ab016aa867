import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createLeaseholdClient } from '../../src/client/client.js';
import { type Config, readConfig, type StaticClient } from '../../src/service/config.js';
import { type RunningService, startService } from '../../src/service/service.js';
import { Api, type Credentials } from './api.js';
import { createDatabase, type TestDatabase } from './database.js';

export const MASTER_KEY = 'a-master-key-for-tests-0123456789abcdef';

export interface TestService {
  /** As the client that may do anything. */
  root: Api;
  service: RunningService;
  database: TestDatabase;
  /** The same, for administration: clients and roles, typed by openapi.yaml. */
  admin: ReturnType<typeof createLeaseholdClient>;
  /** Calls as a new client that holds just these scopes. */
  client(...scopes: string[]): Promise<Api>;
  /** Makes a role of these scopes. */
  role(roleId: string, ...scopes: string[]): Promise<void>;
  /** Another replica on the same database. */
  replica(overrides?: Partial<Config>): Promise<{ root: Api; service: RunningService; close(): Promise<void> }>;
  close(): Promise<void>;
}

const ROOT: Credentials = { clientId: 'static/root', accessToken: 'root-token-for-tests-0123456789abcdef' };

/**
 * The service in this process, on a database of its own, listening on a free port of the loopback interface. Sweeps and polls
 * are as in production unless overridden.
 */
export async function startTestService(overrides: Partial<Config> = {}): Promise<TestService> {
  const database = await createDatabase();
  const dataDir = mkdtempSync(path.join(tmpdir(), 'leasehold-data-'));
  const start = (more: Partial<Config> = {}) => startService({ ...testConfig(database.url, dataDir), ...overrides, ...more });
  const service = await start();
  const root = new Api(service.url.replace('localhost', '127.0.0.1'), ROOT);
  const admin = createLeaseholdClient({ rootUrl: root.url, credentials: () => ROOT });
  let clients = 0;
  return {
    root,
    admin,
    service,
    database,
    client: async (...scopes) => {
      const clientId = `test/client-${clients++}`;
      const expires = new Date(Date.now() + 86_400_000).toISOString();
      const body = { expires, description: '', scopes };
      const { data, error } = await admin.PUT('/api/auth/v1/clients/{clientId}', { params: { path: { clientId } }, body });
      if (!data) throw new Error(`the test's client was refused: ${error.message}`);
      return root.as({ clientId, accessToken: data.accessToken });
    },
    role: async (roleId, ...scopes) => {
      const body = { description: 'made by a test', scopes };
      const { error } = await admin.PUT('/api/auth/v1/roles/{roleId}', { params: { path: { roleId } }, body });
      if (error) throw new Error(`the test's role was refused: ${error.message}`);
    },
    replica: async (more) => {
      const replica = await start(more);
      return { root: new Api(replica.url.replace('localhost', '127.0.0.1'), ROOT), service: replica, close: () => replica.close() };
    },
    close: async () => {
      await service.close();
      await database.drop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

function testConfig(databaseUrl: string, dataDir: string): Config {
  const root: StaticClient = { ...ROOT, scopes: ['*'], description: 'for tests' };
  return readConfig({
    PORT: '0',
    HOST: '127.0.0.1',
    DATA_DIR: dataDir,
    DATABASE_URL: databaseUrl,
    MASTER_KEY,
    STATIC_CLIENTS: JSON.stringify([root]),
    LOG_LEVEL: 'fatal',
    ANONYMOUS_SCOPES: '[]', // a caller without credentials holds nothing: what a test grants is all there is
  });
}
