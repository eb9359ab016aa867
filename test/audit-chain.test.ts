import { execFile } from 'node:child_process';
import path from 'node:path';
import fc from 'fast-check';
import type { DataSource } from 'typeorm';
import type { Link } from '../src/service/audit/chain.js';
import { Pruner } from '../src/service/audit/pruner.js';
import { ReadAudit } from '../src/service/audit/read-audit.service.js';
import { Sealer } from '../src/service/audit/sealer.js';
import { findAuditSeq } from '../src/service/audit/sql/find-audit-seq.js';
import { rebaseAudit } from '../src/service/audit/sql/rebase-audit.js';
import { type Tampering, verifyChain } from '../src/service/audit/verify-chain.js';
import type { Config } from '../src/service/config.js';
import { auditParameters, insertAudit } from '../src/service/postgres/audit-log.js';
import { createDataSource, poolOf } from '../src/service/postgres/data-source.js';
import { startEmbeddedPostgres } from '../src/service/postgres/embedded-postgres.js';
import { Housekeeper } from '../src/service/postgres/housekeeper.js';
import { migrate } from '../src/service/postgres/migrate.js';
import { EVENT_HORIZON } from '../src/service/postgres/outbox.js';
import { type Runner, Sql, statement } from '../src/service/postgres/sql.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { undone } from './support/query-plan.js';
import { eventually, newDataDir, onDatabase, removeDataDir } from './support/service-process.js';
import { untilDone } from './support/tasks.js';

/** How what was written is chained, pruned and verified; and what is seen of whoever changes it behind the service's back. */

const never = () => new Housekeeper({ warn: () => undefined }, 600);
const opened: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const close of opened.reverse()) await close();
});

interface Log {
  database: TestDatabase;
  sql: Sql;
  sealer: Sealer;
}

async function emptyLog(): Promise<Log> {
  const database = await createDatabase();
  opened.push(() => database.drop());
  const sql = await connected(database);
  return { database, sql, sealer: new Sealer(sql, never()) };
}

async function connected({ url }: { url: string }): Promise<Sql> {
  const dataSource: DataSource = await createDataSource(url, 4).initialize();
  opened.push(() => dataSource.destroy());
  return new Sql(poolOf(dataSource));
}

let written = 0;
/** One transaction each. */
async function write(on: Runner, count: number): Promise<void> {
  for (let made = 0; made < count; made++) {
    const detail = { clientId: `client-${written++}`, scopes: ['a', 'b'] };
    await on.query(insertAudit, auditParameters([{ kind: 'client-created', actor: `admin-${written % 3}`, detail }]));
  }
}

/** Anybody's open transaction (say, autovacuum's) holds back what may be sealed. */
async function sealAll(sql: Sql, sealer: Sealer): Promise<void> {
  const told = `select not exists (select from audit_entry where tx >= ${EVENT_HORIZON}) as told`;
  await eventually('nothing is under way', async () => (await raw(sql, told))[0]?.told);
  await sealer.seal();
}

const raw = (on: Runner, text: string) => on.query(statement<Record<string, string>>('', text));
const seqs = async (on: Runner) => (await raw(on, 'select seq from audit_chain order by seq')).map(({ seq }) => Number(seq));
const toOld = (days: number) =>
  `insert into audit_entry (at, kind) select now() - interval '${days} days', 'role-deleted' from generate_series(1, 10)`;

describe('a chain', () => {
  it('is sealed in the order of the transactions, without gaps, in batches', async () => {
    const { sql, sealer } = await emptyLog();
    await raw(
      sql,
      `insert into audit_entry (kind, detail) select 'role-created', json_build_object('n', n) from generate_series(1, 1203) as n`,
    );
    await write(sql, 3);
    await untilDone(() => sealer.seal());
    expect(await seqs(sql)).toEqual(Array.from({ length: 1206 }, (_, n) => n + 1));
    const disorder = `select from (select (tx, id) > lag((tx, id)) over (order by seq) as follows from audit_chain) as one where not follows`;
    expect(await raw(sql, disorder)).toEqual([]);
    expect(await verifyChain(sql)).toMatchObject({ anchor: { seq: 0 }, head: { seq: 1206 } });
    await sealer.seal();
    expect(await seqs(sql)).toHaveLength(1206);
  });

  it('waits for a transaction under way, which may still put an entry before others', async () => {
    const { database, sql, sealer } = await emptyLog();
    const slow = await database.pool.connect();
    await slow.query(`begin; insert into audit_entry (kind) values ('role-created')`);
    await write(sql, 5);
    await sealer.seal();
    expect(await seqs(sql)).toEqual([]);
    expect((await verifyChain(sql)).tampering).toBeUndefined();
    await slow.query('commit');
    slow.release();
    await sealer.seal();
    expect(await raw(sql, 'select kind from audit_chain order by seq limit 2')).toEqual([
      { kind: 'role-created' },
      { kind: 'client-created' },
    ]);
  });

  it('is one, whoever seals: two replicas that both try all the time, while others write', async () => {
    const { database, sql } = await emptyLog();
    const others = await Promise.all([connected(database), connected(database)]);
    const sealers = others.map((other) => new Sealer(other, never()));
    let writing = true;
    const writers = Promise.all([write(sql, 150), write(sql, 150), write(others[0]!, 150)]).finally(() => {
      writing = false;
    });
    await Promise.all(
      sealers.map(async (sealer) => {
        while (writing) await sealer.seal();
      }),
    );
    await writers;
    await untilDone(() => sealers[1]!.seal());
    expect(await seqs(sql)).toEqual(Array.from({ length: 450 }, (_, n) => n + 1));
    expect((await verifyChain(sql)).tampering).toBeUndefined();
  });

  it('stays one when a process seals from where the chain no longer ends', async () => {
    const { sql, sealer } = await emptyLog();
    await write(sql, 4);
    let beaten = false;
    const late = Object.assign(Object.create(sql), {
      exclusively: (_: string, work: (runner: Runner) => Promise<void>) =>
        work({
          query: async (one, parameters) => {
            if (one.name === 'seal-entries' && !beaten) {
              beaten = true;
              await sealer.seal(); // its lock was lost with its connection, and it has not noticed yet
            }
            return sql.query(one, parameters);
          },
        }),
    });
    await new Sealer(late as Sql, never()).seal();
    expect(beaten).toBe(true);
    expect(await seqs(sql)).toEqual([1, 2, 3, 4]);
    expect((await verifyChain(sql)).tampering).toBeUndefined();
  });

  it('is read from any time on without a walk from its beginning', async () => {
    const { sql, sealer } = await emptyLog();
    const began = Date.now() - 300 * 3_600_000;
    const hours = `to_timestamp(${began / 1000}) + n * interval '1 h'`;
    await raw(sql, `insert into audit_entry (at, kind) select ${hours}, 'role-deleted' from generate_series(0, 299) as n`);
    await untilDone(() => sealer.seal());
    const reading = new ReadAudit(sql);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: -3, max: 302 }), fc.nat(3_599_999), async (hour, ms) => {
        const since = new Date(began + hour * 3_600_000 + ms).toISOString();
        const { entries } = await reading.page(
          { since, taskId: undefined, actor: undefined, kind: undefined },
          { limit: '1', token: undefined },
        );
        const first = Math.max(0, ms === 0 ? hour : hour + 1) + 1;
        expect(entries.map(({ seq }) => seq)).toEqual(first <= 300 ? [first] : []);
        const [found] = await sql.query(findAuditSeq, [since]);
        expect(Number(found?.seq)).toBeGreaterThanOrEqual(Math.min(300, first) - 2);
      }),
    );
  });

  it('goes on after a dump was restored where transaction ids are lower', async () => {
    const { sql, sealer } = await emptyLog();
    await write(sql, 6);
    await sealAll(sql, sealer);
    await write(sql, 2);
    const foreign = ['audit_entry', 'audit_chain', 'audit_mark where seq > 0'].map((table) => {
      const [name, where = 'true'] = table.split(' where ');
      return `alter table ${name} disable trigger all; update ${name} set tx = (tx::text::bigint + 1e12)::bigint::text::xid8 where ${where}; alter table ${name} enable trigger all`;
    });
    for (const one of foreign) await raw(sql, one);
    for (let starts = 0; starts < 2; starts++) {
      await sql.query(rebaseAudit);
      await write(sql, 1);
      await sealer.seal();
      expect(await verifyChain(sql)).toMatchObject({ head: { seq: 9 + starts } });
      expect((await verifyChain(sql)).tampering).toBeUndefined();
    }
    for (const one of foreign) await raw(sql, one); // and restored once more
    await sql.query(rebaseAudit);
    await write(sql, 1);
    await sealAll(sql, sealer);
    expect(await verifyChain(sql)).toEqual({ anchor: expect.anything(), head: { seq: 11, hash: expect.anything() } });
  });
});

describe('what the database refuses to everybody who does not switch the triggers off', () => {
  let log: Log;
  beforeAll(async () => {
    log = await emptyLog();
    await write(log.sql, 5);
    await sealAll(log.sql, log.sealer);
    await write(log.sql, 1);
  });

  it.each([
    `update audit_entry set actor = 'somebody else'`,
    `update audit_entry set tx = '3'`,
    'delete from audit_entry',
    `delete from audit_entry where id = (select max(id) from audit_entry)`,
    'truncate audit_entry',
    `update audit_chain set hash = ''`,
    'delete from audit_chain where seq = 5',
    'truncate audit_chain',
    'truncate audit_entry, audit_chain, audit_mark',
    'delete from audit_mark',
    'truncate audit_mark',
    `insert into audit_mark (name) values ('other')`,
    `update audit_mark set seq = 0 where name = 'sealed'`,
    `update audit_mark set hash = '' where name = 'sealed'`,
    `update audit_mark set name = 'x'`,
    // what is not a day old cannot be pruned, whatever AUDIT_RETENTION says
    `update audit_mark set (seq, hash, tx, id) = (select seq, hash, tx, id from audit_chain where seq = 2) where name = 'pruned'`,
    `update audit_mark set seq = 9 where name = 'pruned'`,
  ])('%s', async (text) => {
    await expect(raw(log.sql, text)).rejects.toMatchObject({ code: '42501' });
    expect(await verifyChain(log.sql)).toMatchObject({ head: { seq: 5 } });
  });
});

describe('tampering', () => {
  const SEALED = 12;
  let log: Log;
  let head: Link;
  beforeAll(async () => {
    log = await emptyLog();
    await write(log.sql, SEALED);
    await sealAll(log.sql, log.sealer);
    await write(log.sql, 2);
    ({ head } = await verifyChain(log.sql));
  });

  const entry = (seq: number) => `(tx, id) = (select tx, id from audit_chain where seq = ${seq})`;
  /** What a chain that begins anew with this entry would look like: its writer knows how we hash. */
  const resealed = async (runner: Runner, from: number) => {
    await raw(
      runner,
      `update audit_mark as mark set (seq, hash, tx, id) = (select chain.seq, chain.hash, chain.tx, chain.id from audit_chain as chain where chain.seq = ${from - 1}) where name = 'sealed'`,
    );
    await raw(runner, `delete from audit_chain where seq >= ${from}`);
    const inside = Object.assign(Object.create(log.sql), {
      query: runner.query,
      exclusively: (_: string, work: (own: Runner) => Promise<void>) => work(runner),
    });
    await new Sealer(inside as Sql, never()).seal();
  };

  /** The verdict over a log in which this was done, and nothing stays of it. */
  const after = (tamper: (runner: Runner) => Promise<unknown>, noted?: Link): Promise<Tampering | undefined> => {
    let found: Tampering | undefined;
    const work = log.sql.exclusively('tampering', (runner) =>
      undone(runner, async () => {
        for (const table of ['audit_entry', 'audit_chain', 'audit_mark']) await raw(runner, `alter table ${table} disable trigger all`);
        await tamper(runner);
        found = (await verifyChain(runner, noted)).tampering;
      }),
    );
    return work.then(() => found);
  };
  const doing = (...texts: string[]) =>
    after(async (runner) => {
      for (const text of texts) await raw(runner, text);
    });

  it('nothing done is nothing found', async () => {
    expect(await doing()).toBeUndefined();
  });

  const n = fc.integer({ min: 1, max: SEALED });
  const COLUMNS = {
    at: `at + interval '1 ms'`,
    kind: `kind || 'x'`,
    actor: `coalesce(actor, '') || 'x'`,
    task_id: `'x'`,
    run_id: '7',
    detail: `'{"clientId":"x"}'`,
  };

  it('an entry of which anything was altered is named', async () => {
    const changes = Object.entries({
      ...COLUMNS,
      'actor ': 'null',
      'at ': `'infinity'`,
      'at  ': `'0044-03-15 BC'`,
      'detail ': `'"\\ud800"'`,
    });
    for (const [nth, [column, value]] of changes.entries()) {
      const seq = (nth % SEALED) + 1;
      expect({ column, ...(await doing(`update audit_entry set ${column} = ${value} where ${entry(seq)}`)) }).toMatchObject({
        column,
        seq,
        what: 'altered',
      });
    }
  });

  it('a link of the chain of which anything was altered is named', async () => {
    for (const change of [`hash = sha256(hash)`, `kind = 'x'`, `actor = null`, `task_id = 'x'`]) {
      expect(await doing(`update audit_chain set ${change} where seq = 7`)).toMatchObject({ seq: 7, what: 'altered' });
    }
  });

  it('any one row that was deleted is named, wherever it stood', () =>
    fc.assert(
      fc.asyncProperty(n, fc.constantFrom('entry', 'link', 'both'), async (seq, which) => {
        const texts = [`delete from audit_entry where ${entry(seq)}`, `delete from audit_chain where seq = ${seq}`];
        const found = await doing(...texts.filter((_, at) => which === 'both' || (which === 'entry') === (at === 0)));
        expect(found).toMatchObject({ seq, what: 'deleted' });
      }),
      { numRuns: 40 },
    ));

  it('two that were exchanged are named by the first, in whatever way they were', () => {
    const pair = fc.tuple(n, n).filter(([a, b]) => a < b);
    const exchange = (table: string, key: string, columns: string[], a: string, b: string) => {
      const list = columns.join(', ');
      return `with pair as (select * from ${table} where ${key} in (${a}, ${b}))
        update ${table} set (${list}) = (select ${list} from pair where pair.${key} <> ${table}.${key}) where ${key} in (${a}, ${b})`;
    };
    const id = (seq: number) => `(select id from audit_chain where seq = ${seq})`;
    return fc.assert(
      fc.asyncProperty(pair, fc.constantFrom('what they say', 'where they point', 'their links'), async ([a, b], how) => {
        const texts = {
          'what they say': exchange('audit_entry', 'id', Object.keys(COLUMNS), id(a), id(b)),
          'where they point': exchange('audit_chain', 'seq', ['tx', 'id'], String(a), String(b)),
          'their links': exchange('audit_chain', 'seq', ['tx', 'id', 'hash', 'kind', 'actor', 'task_id'], String(a), String(b)),
        };
        expect(await doing(texts[how])).toMatchObject({ seq: a, what: how === 'what they say' ? 'altered' : 'reordered' });
      }),
      { numRuns: 40 },
    );
  });

  it('an entry that was put in between is named by its place', () =>
    fc.assert(
      fc.asyncProperty(n, async (seq) => {
        // of the same transaction as the one before it, with an id that comes first
        const found = await doing(
          `insert into audit_entry (tx, id, kind) select tx, id - 1000000, 'client-deleted' from audit_chain where seq = ${seq}`,
        );
        expect(found).toMatchObject({ seq, what: 'inserted' });
      }),
      { numRuns: 12 },
    ));

  it('a link that was put at the end, at the beginning or in between is named', async () => {
    const link = (seq: string) =>
      `insert into audit_chain (seq, tx, id, hash, kind) select ${seq}, tx, id, hash, kind from audit_chain where seq = 5`;
    expect(await doing(link('13'))).toMatchObject({ seq: 13 });
    expect(await doing(link('99'))).toMatchObject({ seq: 13 });
    expect(await doing(link('0'))).toMatchObject({ seq: 0, what: 'inserted' });
    expect(
      await doing('update audit_chain set seq = -seq where seq > 5', 'update audit_chain set seq = 1 - seq where seq < 0', link('6')),
    ).toMatchObject({ seq: 6 });
  });

  it('an end that was cut off is named', async () => {
    const cut = [
      `delete from audit_entry where (tx, id) >= (select tx, id from audit_chain where seq = 10)`,
      'delete from audit_chain where seq >= 10',
    ];
    expect(await doing(...cut)).toMatchObject({ seq: 10, what: 'deleted' });
  });

  it('marks that were moved or lost are named', async () => {
    expect(await doing(`update audit_mark set seq = 13 where name = 'sealed'`)).toMatchObject({ seq: 13, what: 'deleted' });
    expect(await doing(`update audit_mark set seq = 11 where name = 'sealed'`)).toMatchObject({ seq: 12, what: 'inserted' });
    expect(await doing(`update audit_mark set hash = sha256(hash) where name = 'sealed'`)).toMatchObject({ seq: 12, what: 'altered' });
    expect(await doing(`update audit_mark set seq = 3 where name = 'pruned'`)).toMatchObject({ what: 'inserted' });
    expect(await doing(`update audit_mark set hash = sha256(hash) where name = 'pruned'`)).toMatchObject({ seq: 1, what: 'altered' });
    for (const name of ['pruned', 'sealed'])
      expect(await doing(`delete from audit_mark where name = '${name}'`)).toMatchObject({ what: 'deleted' });
  });

  it('who hashes all anew is seen by whoever has noted an end of the chain', async () => {
    const forge = async (runner: Runner) => {
      await raw(runner, `update audit_entry set actor = 'somebody else' where ${entry(4)}`);
      await resealed(runner, 4);
    };
    expect(await after(forge)).toBeUndefined(); // nobody can tell, from the database alone
    expect(await after(forge, head)).toMatchObject({ seq: SEALED, what: 'rewritten' });
    expect(await after(async () => undefined, head)).toBeUndefined();
    expect(await after(async () => undefined, { seq: SEALED + 5, hash: head.hash })).toMatchObject({ what: 'deleted' });
  });
});

describe('pruning', () => {
  const pruner = (sql: Sql, auditRetention: number) => new Pruner(sql, { auditRetention } as Config, never());

  it('takes the oldest and leaves a chain that hangs on the last of them', async () => {
    const { sql, sealer } = await emptyLog();
    for (const days of [200, 91, 89]) await raw(sql, toOld(days));
    await write(sql, 5);
    await untilDone(() => sealer.seal());
    const before = await verifyChain(sql);
    await untilDone(() => pruner(sql, 90).prune());
    expect((await seqs(sql))[0]).toBe(21);
    expect(await raw(sql, 'select count(*)::integer as entries from audit_entry')).toEqual([{ entries: 15 }]);
    const verdict = await verifyChain(sql, before.head);
    expect(verdict).toMatchObject({ anchor: { seq: 20 }, head: before.head });
    expect(verdict.tampering).toBeUndefined();
    await untilDone(() => pruner(sql, 90).prune());
    expect((await seqs(sql))[0]).toBe(21);
    await write(sql, 1);
    await sealAll(sql, sealer);
    expect(await verifyChain(sql)).toMatchObject({ head: { seq: 36 } });
  });

  it('leaves a chain that goes on when all of it was old', async () => {
    const { sql, sealer } = await emptyLog();
    await raw(sql, toOld(100));
    await sealAll(sql, sealer);
    await untilDone(() => pruner(sql, 90).prune());
    expect(await seqs(sql)).toEqual([]);
    expect(await verifyChain(sql)).toMatchObject({ anchor: { seq: 10 }, head: { seq: 10 } });
    await write(sql, 2);
    await sealAll(sql, sealer);
    expect(await verifyChain(sql)).toEqual({ anchor: { seq: 10, hash: expect.anything() }, head: { seq: 12, hash: expect.anything() } });
  });

  it('does not sweep away what was tampered with: it stops there', async () => {
    const { sql, sealer } = await emptyLog();
    await raw(sql, toOld(100));
    await sealAll(sql, sealer);
    await raw(sql, 'alter table audit_entry disable trigger all');
    await raw(sql, 'delete from audit_entry where (tx, id) = (select tx, id from audit_chain where seq = 4)');
    await raw(sql, 'alter table audit_entry enable trigger all');
    await untilDone(() => pruner(sql, 90).prune());
    expect((await verifyChain(sql)).tampering).toMatchObject({ seq: 4, what: 'deleted' });
  });

  it('meanwhile a verification goes on with what is left', async () => {
    const { sql, sealer } = await emptyLog();
    await raw(sql, `insert into audit_entry (at, kind) select now() - interval '100 days', 'role-deleted' from generate_series(1, 2500)`);
    await write(sql, 5);
    await untilDone(() => sealer.seal());
    let pages = 0;
    const verdict = await verifyChain({
      query: async (one, parameters) => {
        if (one.name === 'read-chain' && ++pages === 2) await untilDone(() => pruner(sql, 90).prune());
        return sql.query(one, parameters);
      },
    });
    expect(verdict).toMatchObject({ anchor: { seq: 0 }, head: { seq: 2505 } });
    expect(verdict.tampering).toBeUndefined();
    expect(pages).toBe(3);
  });
});

describe('npm run audit -- verify', () => {
  const PROGRAM = path.resolve(process.env.LEASEHOLD_DIST ?? 'dist', 'src/cli/audit.js');
  const run = (environment: Record<string, string>, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
    new Promise((done) => {
      const { PATH = '', HOME = '/', TMPDIR } = process.env;
      const env = { PATH, HOME, ...(TMPDIR && { TMPDIR }), ...environment };
      execFile(process.execPath, [PROGRAM, ...args], { env }, (error, stdout, stderr) =>
        done({ code: Number(error?.code ?? 0), stdout, stderr }),
      );
    });

  it('says whether the chain is whole, by its exit code too, and from where on it is not', async () => {
    const { database, sql, sealer } = await emptyLog();
    const on = onDatabase(database.url);
    await write(sql, 5);
    await sealAll(sql, sealer);
    const whole = await run(on, 'verify', '--json');
    const { head } = JSON.parse(whole.stdout);
    expect({ code: whole.code, ...JSON.parse(whole.stdout) }).toMatchObject({ code: 0, whole: true, anchor: { seq: 0 }, head: { seq: 5 } });
    const noted = `${head.seq}:${head.hash}`;
    expect(await run(on, 'verify', '--noted', noted)).toMatchObject({ code: 0, stdout: expect.stringContaining(noted) });
    expect(await run(on, 'verify', '--noted', `5:${'ab'.repeat(32)}`)).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/5: rewritten/),
    });
    await raw(sql, 'alter table audit_entry disable trigger all');
    await raw(sql, `update audit_entry set kind = 'x' where (tx, id) = (select tx, id from audit_chain where seq = 3)`);
    expect(await run(on, 'verify')).toMatchObject({ code: 1, stdout: expect.stringMatching(/wrong is 3: altered/) });
    const { code, stdout } = await run(on, 'verify', '--json');
    expect({ code, ...JSON.parse(stdout) }).toMatchObject({ code: 1, whole: false, tampering: { seq: 3, what: 'altered' } });
  });

  it.each([[[]], [['check']], [['verify', '--noted', 'x']], [['verify', '--unknown']]])('refuses %j', async (args) => {
    const { code, stdout, stderr } = await run({ DATABASE_URL: 'postgres://127.0.0.1:1/nowhere' }, ...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/verify|--noted|Unknown option/);
    expect(stderr).not.toMatch(/^ +at /m); // no stack
  });

  it('says so when the database cannot be asked', async () => {
    const { code, stderr } = await run({ DATABASE_URL: 'postgres://127.0.0.1:1/nowhere' }, 'verify');
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('cannot be reached') });
  });

  it('asks the embedded Postgres of a data directory, be it at work or not', async () => {
    const dataDir = newDataDir();
    try {
      const embedded = await startEmbeddedPostgres({ dataDir, durable: false });
      const dataSource = await createDataSource(embedded.url, 1).initialize();
      await migrate(dataSource, embedded.url);
      await write(new Sql(poolOf(dataSource)), 1);
      await dataSource.destroy();
      const atWork = await run({ DATA_DIR: dataDir }, 'verify', '--json');
      await embedded.stop();
      const stopped = await run({ DATA_DIR: dataDir }, 'verify', '--json');
      for (const { code, stdout, stderr } of [atWork, stopped]) {
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        expect(JSON.parse(stdout)).toMatchObject({ whole: true, head: { seq: 0 } });
      }
    } finally {
      removeDataDir(dataDir);
    }
  }, 60_000);
});
