import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { jest } from '@jest/globals';
import pg from 'pg';
import type { DataSource } from 'typeorm';
import { DatabaseMetrics } from '../src/service/metrics/database-metrics.js';
import { SnapshotWatch } from '../src/service/metrics/snapshot-watch.js';
import { readDatabaseHealth } from '../src/service/metrics/sql/read-database-health.js';
import { createDataSource, poolOf } from '../src/service/postgres/data-source.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../src/service/postgres/embedded-postgres.js';
import { Housekeeper } from '../src/service/postgres/housekeeper.js';
import { migrate } from '../src/service/postgres/migrate.js';
import { Sql, statement } from '../src/service/postgres/sql.js';
import { definition, slugid } from './support/api.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { eventually, newDataDir, onDatabase, removeDataDir, ServiceProcess } from './support/service-process.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Family {
  type: string;
  help: string;
  /** By the labels as they are written, without those of buckets. */
  samples: Map<string, number>;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABELS = /^\{([a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*")(?:,[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*")*,?\}$/;
const VALUE = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|NaN|[+-]Inf)$/i;

/** The text format 0.0.4, strictly: HELP and TYPE once and before the samples, samples together and none twice, a line feed at the end. */
function parse(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  let current: [string, Family] | undefined;
  expect(text).toMatch(/\n$/);
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (kind === 'HELP') {
      if (families.has(name) || !NAME.test(name)) throw new Error(`again, or no name: ${line}`);
      current = [name, { type: '', help: rest, samples: new Map() }];
      families.set(...current);
    } else if (kind === 'TYPE') {
      if (current?.[0] !== name || current[1].type || !/^(counter|gauge|histogram|summary)$/.test(rest))
        throw new Error(`misplaced: ${line}`);
      current[1].type = rest;
    } else {
      const [, sample = '', labels = '', value = ''] = /^([^\s{]+)(\{.*\})? (\S+)$/.exec(line) ?? [];
      const [family, { type = '', samples = new Map<string, number>() } = {}] = current ?? [''];
      const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      if (!suffixes.some((suffix) => sample === family + suffix)) throw new Error(`not of ${family}: ${line}`);
      if ((labels && !LABELS.test(labels)) || !VALUE.test(value)) throw new Error(`malformed: ${line}`);
      if (samples.has(sample + labels)) throw new Error(`twice: ${line}`);
      samples.set(sample + labels, Number(value));
    }
  }
  for (const [name, { type, help, samples }] of families) {
    if (!type || !help) throw new Error(`${name} lacks its type or help`);
    if ((type === 'counter') !== name.endsWith('_total')) throw new Error(`${name} is called like another type`);
    if (type === 'histogram') assertBuckets(name, samples);
  }
  return families;
}

function assertBuckets(name: string, samples: Map<string, number>): void {
  const last = new Map<string, number>();
  for (const [sample, value] of samples) {
    if (!sample.startsWith(`${name}_bucket`)) continue;
    const of = sample
      .replace(/le="[^"]*",?/, '')
      .replace(`${name}_bucket`, '')
      .replace('{}', '')
      .replace(',}', '}');
    expect(value).toBeGreaterThanOrEqual(last.get(of) ?? 0);
    last.set(of, value);
  }
  for (const [of, value] of last) expect(value).toBe(samples.get(`${name}_count${of}`));
}

function start(environment: Record<string, string>): ServiceProcess {
  const service = new ServiceProcess(environment);
  cleanups.push(() => service[Symbol.asyncDispose]());
  return service;
}

async function database(): Promise<TestDatabase> {
  const made = await createDatabase();
  cleanups.push(made.drop);
  return made;
}

const metricsUrl = ({ output }: ServiceProcess) => /^ {2}Metrics +(\S+)$/m.exec(output)?.[1]?.replace('localhost', '127.0.0.1') ?? '';

async function scrape(service: ServiceProcess): Promise<{ text: string; families: Map<string, Family> }> {
  const answer = await fetch(metricsUrl(service));
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  const text = await answer.text();
  return { text, families: parse(text) };
}

describe.each(['1', '2'])('with CLUSTER=%s', (processes) => {
  let scraped = '';

  it('metrics are well-formed, count what was asked of all processes, and name no task, queue or client', async () => {
    const { url } = await database();
    const service = await start({ ...onDatabase(url), CLUSTER: processes, METRICS_PORT: '0' }).ready();
    const taskId = slugid();
    expect((await service.root.put(`/queue/v1/task/${taskId}`, definition({ taskQueueId: 'metrics/queue' }))).status).toBe(200);
    for (let n = 0; n < 8; n++) await service.root.get(`/queue/v1/task/${taskId}/status`, { headers: { connection: 'close' } });
    await service.root.get(`/queue/v1/task/${slugid()}/status`);
    const worker = { tasks: 1, workerGroup: 'g', workerId: 'w' };
    await service.root.post('/queue/v1/claim-work/metrics%2Fqueue', worker);
    const polls = [1, 2, 3].map(() => service.root.post('/queue/v1/claim-work/metrics%2Fidle', worker));
    await eventually('polls are counted', async () => {
      const { families } = await scrape(service);
      return families.get('leasehold_long_polls')?.samples.get('leasehold_long_polls') === 3;
    });

    const { text, families } = await scrape(service);
    const sample = (name: string, labels = '') => families.get(name.replace(/_(count|sum|bucket)$/, ''))?.samples.get(name + labels);
    expect(sample('leasehold_http_requests_total', '{operation="status",status="2xx"}')).toBe(8);
    expect(sample('leasehold_http_requests_total', '{operation="status",status="4xx"}')).toBe(1);
    expect(sample('leasehold_http_requests_total', '{operation="claimWork",status="2xx"}')).toBe(1);
    expect(sample('leasehold_http_request_duration_seconds_count', '{operation="status"}')).toBe(9);
    expect(sample('leasehold_http_request_duration_seconds_count', '{operation="claimWork"}')).toBeUndefined();
    expect(sample('process_resident_memory_bytes')).toBeGreaterThan(Number(processes) * 50_000_000);
    expect(sample('leasehold_pool_connections', '{pool="ordinary",state="waiting"}')).toBe(0);
    expect(sample('leasehold_database_up')).toBe(1);
    expect(sample('leasehold_table_bytes', '{table="task"}')).toBeGreaterThan(0);
    expect(sample('leasehold_event_reader_lag_seconds', '{reader="groups"}')).toBeGreaterThanOrEqual(0);
    expect(text).not.toMatch(new RegExp(`${taskId}|metrics/queue|static/root`));
    const sizes = [...families].map(([name, { samples }]) => [name, samples.size] as const);
    expect(sizes.filter(([, size]) => size > 50)).toEqual([]);

    scraped = text;
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    await Promise.all(polls);
    await expect(fetch(metricsUrl(service))).rejects.toThrow();
  }, 90_000);

  const hasPromtool = spawnSync('promtool', ['--version']).error === undefined;
  if (!hasPromtool) console.warn('promtool is not on the PATH: only our own parser reads the metrics');
  (hasPromtool ? it : it.skip)('Prometheus has nothing to say against them', () => {
    const { status, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: scraped, encoding: 'utf8' });
    expect([scraped.length > 1_000, status, stderr]).toEqual([true, 0, '']);
  });
});

it('there is nothing else on that port; none without METRICS_PORT; an occupied one stops the start', async () => {
  const { url } = await database();
  const service = await start({ ...onDatabase(url), METRICS_PORT: '0' }).ready();
  const statusOf = async (path: string, method = 'GET') => (await fetch(new URL(path, metricsUrl(service)), { method })).status;
  expect(await Promise.all([statusOf('/'), statusOf('/api/queue/v1/ping'), statusOf('/metrics', 'POST')])).toEqual([404, 404, 405]);
  expect((await service.root.get('/metrics')).status).toBe(404);
  const without = await start(onDatabase(url)).ready();
  expect(metricsUrl(without)).toBe('');
  const occupier = createServer().listen(0, '127.0.0.1');
  await once(occupier, 'listening');
  cleanups.push(() => occupier.close());
  const { port } = occupier.address() as { port: number };
  const refused = start({ ...onDatabase(url), METRICS_PORT: String(port) });
  expect(await refused.end()).toEqual({ code: 1, signal: null });
  expect(refused.output).toContain(`Port ${port} of 127.0.0.1 is in use; set METRICS_PORT`);
}, 90_000);

describe('the oldest snapshot', () => {
  let server: EmbeddedPostgres; // of its own: on the others' there are other sessions
  let dataSource: DataSource;
  let sql: Sql;
  let dataDir: string;
  beforeAll(async () => {
    dataDir = newDataDir();
    server = await startEmbeddedPostgres({ dataDir, durable: false, settings: { max_prepared_transactions: '1' } });
    dataSource = await createDataSource(server.url, 2).initialize();
    await migrate(dataSource, server.url);
    sql = new Sql(poolOf(dataSource));
  }, 60_000);
  afterAll(async () => {
    await dataSource.destroy();
    await server.stop();
    removeDataDir(dataDir);
  });

  async function session(name: string, database = 'postgres'): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: server.url.replace('/postgres?', `/${database}?`), application_name: name });
    await client.connect();
    cleanups.push(() => client.end());
    return client;
  }

  async function oldestIs(name: string | undefined): Promise<void> {
    await eventually(`the oldest is that of ${name}`, async () => {
      const [health] = await sql.query(readDatabaseHealth, [['task']]);
      return health?.oldest?.name === name;
    });
  }

  const sampleOf = (text: string, name: string) => parse(text).get(name)?.samples.get(name);

  it('is told to the log, once, with what to do', async () => {
    const reader = await session('a forgotten report');
    await reader.query('begin isolation level repeatable read');
    const { rows } = await reader.query('select pg_backend_pid() as pid');
    await oldestIs('a forgotten report');
    await sql.query(statement('test-burn', 'select pg_current_xact_id()'));
    await eventually('it ages', async () => {
      const text = await new DatabaseMetrics(sql).read();
      return Number(sampleOf(text, 'leasehold_oldest_snapshot_seconds')) > 0.5;
    });
    expect(sampleOf(await new DatabaseMetrics(sql).read(), 'leasehold_oldest_snapshot_transactions')).toBeGreaterThan(0);

    const warn = jest.fn();
    const log = { warn, info: jest.fn(), error: jest.fn() };
    const watch = new SnapshotWatch(sql, log, new Housekeeper(log, 1));
    await watch.look();
    expect(warn).not.toHaveBeenCalled(); // younger than five minutes
    for (let n = 0; n < 3; n++) await watch.look(0.1);
    const holder = { kind: 'session', pid: rows[0].pid, name: 'a forgotten report' };
    expect(warn.mock.calls).toEqual([
      [
        { holder: { ...holder, seconds: expect.any(Number), transactions: expect.any(Number) } },
        `The queue cannot be cleaned while this is held open; end it: select pg_terminate_backend(${rows[0].pid})`,
      ],
    ]);
    await reader.query('rollback');
    await oldestIs(undefined);
  });

  it('is that of another database only while it writes; a prepared transaction counts', async () => {
    await dataSource.query('create database elsewhere');
    const stranger = await session('elsewhere', 'elsewhere');
    await stranger.query('begin isolation level repeatable read');
    await stranger.query('select 1');
    await oldestIs(undefined);
    await stranger.query('select pg_current_xact_id()');
    await oldestIs('elsewhere');
    await stranger.query('rollback');

    const preparing = await session('preparing');
    await preparing.query('begin');
    await preparing.query('create table kept ()');
    await preparing.query(`prepare transaction 'a lost one'`);
    await oldestIs('a lost one');
    await preparing.query(`rollback prepared 'a lost one'`);
    await oldestIs(undefined);
  });

  it('is asked for at most every five seconds, never twice at once, and given up after three', async () => {
    const query = jest.spyOn(sql, 'query');
    const metrics = new DatabaseMetrics(sql);
    const blocking = await session('blocking');
    await blocking.query('begin');
    await blocking.query('lock table task in access exclusive mode'); // so that its size cannot be told
    const down = await Promise.all([metrics.read(), metrics.read()]);
    expect(down.map((text) => [...parse(text).keys()])).toEqual([['leasehold_database_up'], ['leasehold_database_up']]);
    expect(sampleOf(down[0], 'leasehold_database_up')).toBe(0);
    await blocking.query('rollback');
    for (let n = 0; n < 3; n++) expect(sampleOf(await metrics.read(), 'leasehold_database_up')).toBe(1);
    expect(query).toHaveBeenCalledTimes(1);
    query.mockRestore();
    await dataSource.destroy();
    expect(sampleOf(await new DatabaseMetrics(sql).read(), 'leasehold_database_up')).toBe(0);
    await dataSource.initialize();
  });
});
