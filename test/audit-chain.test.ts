import { execFile } from 'node:child_process';
import path from 'node:path';
import fc from 'fast-check';
import type { DataSource } from 'typeorm';
import { BEGINNING, chained, type Link } from '../src/service/audit/chain.js';
import { Pruner } from '../src/service/audit/pruner.js';
import { ReadAudit } from '../src/service/audit/read-audit.service.js';
import { Sealer } from '../src/service/audit/sealer.js';
import { findPlaceBefore } from '../src/service/audit/sql/find-place-before.js';
import { readUnsealed } from '../src/service/audit/sql/read-unsealed.js';
import { rebaseAudit } from '../src/service/audit/sql/rebase-audit.js';
import type { Tampering } from '../src/service/audit/verify-block.js';
import { verifyChain } from '../src/service/audit/verify-chain.js';
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

const ANY = { since: undefined, taskId: undefined, actor: undefined, kind: undefined };

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
  await untilDone(() => sealer.seal());
}

const raw = (on: Runner, text: string) => on.query(statement<Record<string, string>>('', text));
/** The numbers that entries have by their blocks. */
const SEQS = `select generate_series(first, last) as seq from audit_block order by 1`;
const seqs = async (on: Runner) => (await raw(on, SEQS)).map(({ seq }) => Number(seq));
/** Only who may switch triggers off writes of other days. */
async function backdated(on: Runner, text: string): Promise<void> {
  await raw(on, 'alter table audit_entry disable trigger audit_now');
  await raw(on, text);
  await raw(on, 'alter table audit_entry enable trigger audit_now');
}
const ofOld = (on: Runner, days: number, count = 10) =>
  backdated(
    on,
    `insert into audit_entry (at, kind, actor) select now() - interval '${days} days', 'role-deleted', n from generate_series(1, ${count}) as n`,
  );

describe('a chain', () => {
  it('is sealed in the order of the transactions, without gaps, in batches', async () => {
    const { sql, sealer } = await emptyLog();
    await raw(
      sql,
      `insert into audit_entry (kind, detail) select 'role-created', json_build_object('n', n) from generate_series(1, 1203) as n`,
    );
    await write(sql, 3);
    await sealAll(sql, sealer);
    expect(await seqs(sql)).toEqual(Array.from({ length: 1206 }, (_, n) => n + 1));
    expect(await raw(sql, 'select last from audit_block order by last')).toEqual([500, 1000, 1206].map((last) => ({ last: String(last) })));
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
    const { entries } = await new ReadAudit(sql).page(ANY, { limit: '2', token: undefined });
    expect(entries.map(({ seq, kind }) => [seq, kind])).toEqual([
      [1, 'role-created'],
      [2, 'client-created'],
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

  it('goes on over what JSON cannot say, which no service of ours writes', async () => {
    const { sql, sealer } = await emptyLog();
    await raw(sql, `insert into audit_entry (kind, detail) values ('role-created', '{"n":1e999}'), ('role-created', '"\\ud800"')`);
    await write(sql, 1);
    await sealAll(sql, sealer);
    const verdict = await verifyChain(sql);
    expect(verdict).toMatchObject({ head: { seq: 3 } });
    expect(verdict.tampering).toBeUndefined();
  });

  it('stays one when a process seals from where the chain no longer ends', async () => {
    const { sql, sealer } = await emptyLog();
    await write(sql, 4);
    let beaten = false;
    const late = Object.assign(Object.create(sql), {
      exclusively: (_: string, work: (runner: Runner) => Promise<void>) =>
        work({
          query: async (one, parameters) => {
            if (one.name === 'seal-block' && !beaten) {
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
    for (let from = 0; from < 300; from += 20) {
      const hours = `to_timestamp(${began / 1000}) + n * interval '1 h'`;
      await backdated(
        sql,
        `insert into audit_entry (at, kind) select ${hours}, 'role-deleted' from generate_series(${from}, ${from + 19}) as n`,
      );
      await sealAll(sql, sealer);
    }
    const reading = new ReadAudit(sql);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: -3, max: 302 }), fc.nat(3_599_999), async (hour, ms) => {
        const since = new Date(began + hour * 3_600_000 + ms).toISOString();
        const { entries } = await reading.page({ ...ANY, since }, { limit: '1', token: undefined });
        const first = Math.max(0, ms === 0 ? hour : hour + 1) + 1;
        expect(entries.map(({ seq }) => seq)).toEqual(first <= 300 ? [first] : []);
        const [{ tx, id } = { tx: '0', id: '0' }] = await sql.query(findPlaceBefore, [since]);
        const [before] = await raw(sql, `select count(*) as count from audit_entry where (tx, id) <= ('${tx}', ${id})`);
        expect(Number(before?.count)).toBeGreaterThanOrEqual(Math.min(300, first) - 22);
      }),
    );
  });

  it('tells the number and the hash of an entry, however it is found', async () => {
    const { sql, sealer } = await emptyLog();
    await write(sql, 7);
    await sealAll(sql, sealer);
    await write(sql, 6);
    await raw(sql, `insert into audit_entry (kind, actor) select 'credentials-lent', 'admin-1' from generate_series(1, 3)`);
    await sealAll(sql, sealer);
    await write(sql, 2);
    const reading = new ReadAudit(sql);
    const { entries } = await reading.page(ANY, { limit: undefined, token: undefined });
    expect(entries.map(({ seq }) => seq)).toEqual(await seqs(sql));
    const rows = await sql.query(readUnsealed, ['0', '0', 100]);
    expect(entries.map(({ hash }) => hash)).toEqual(chained(rows.slice(0, 16), BEGINNING).map(({ hash }) => hash.toString('hex')));
    for (const filter of [{ actor: 'admin-1' }, { actor: 'admin-2' }, { kind: 'client-created' }, { kind: 'credentials-lent' }]) {
      const wanted = entries.filter((entry) => Object.entries(filter).every(([name, value]) => entry[name as 'actor'] === value));
      const found: typeof entries = [];
      for (let token: string | undefined, more = true; more; ) {
        const page = await reading.page({ ...ANY, ...filter }, { limit: '2', token });
        found.push(...page.entries);
        token = page.continuationToken;
        more = token !== undefined;
      }
      expect(found).toEqual(wanted);
    }
  });

  it('goes on after a dump was restored where transaction ids are lower', async () => {
    const { sql, sealer } = await emptyLog();
    await write(sql, 6);
    await sealAll(sql, sealer);
    await write(sql, 2);
    const foreign = ['audit_entry', 'audit_block', 'audit_mark where seq > 0'].map((table) => {
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
    for (let more = 1; more < 4; more++) {
      for (const one of foreign) await raw(sql, one); // and restored once more
      await sql.query(rebaseAudit);
      await write(sql, 1);
      await sealAll(sql, sealer);
      expect(await verifyChain(sql)).toEqual({ anchor: expect.anything(), head: { seq: 10 + more, hash: expect.anything() } });
      const { entries } = await new ReadAudit(sql).page(ANY, { limit: undefined, token: undefined });
      expect(entries.map(({ seq }) => seq)).toEqual(await seqs(sql));
    }
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
    `update audit_block set at = now()`,
    `update audit_block set hashes = sha256('x') || substring(hashes from 33)`,
    'delete from audit_block where last = 5',
    'truncate audit_block',
    'truncate audit_entry, audit_block, audit_mark',
    'delete from audit_mark',
    'truncate audit_mark',
    `insert into audit_mark (name) values ('other')`,
    `update audit_mark set seq = 0 where name = 'sealed'`,
    `update audit_mark set hash = '' where name = 'sealed'`,
    `update audit_mark set name = 'x'`,
    // what is not a day old cannot be pruned, whatever AUDIT_RETENTION says
    `update audit_mark set (seq, hash, tx, id) = (select last, substring(hashes from 129), tx, id from audit_block where last = 5) where name = 'pruned'`,
    `update audit_mark set seq = 9 where name = 'pruned'`,
    // what is of yesterday could be pruned at once, and of a transaction to come there are only in a restored dump, which may be moved
    `insert into audit_entry (kind, at) values ('role-created', now() - interval '2 days')`,
    `insert into audit_entry (kind, tx) values ('role-created', '9000000000000000000')`,
    `insert into audit_entry (kind, tx) values ('role-created', '3')`,
    `update audit_mark set (seq, tx) = (seq + 1, '9000000000000000000') where name = 'sealed'`,
    `update audit_mark set seq = seq + 1 where name = 'sealed'`,
  ])('%s', async (text) => {
    await expect(raw(log.sql, text)).rejects.toMatchObject({ code: '42501' });
    expect(await verifyChain(log.sql)).toMatchObject({ head: { seq: 5 } });
  });

  it('a change in a transaction that has written an entry itself: its own id is no proof of a restored dump', async () => {
    for (const text of [
      `update audit_entry set tx = '0', id = -7 where id = (select min(id) from audit_entry)`,
      `update audit_mark set tx = '1' where name = 'sealed'`,
      'update audit_block set id = 1',
    ])
      await expect(raw(log.sql, `begin; insert into audit_entry (kind) values ('role-created'); ${text}; commit`)).rejects.toMatchObject({
        code: '42501',
      });
    expect(await verifyChain(log.sql)).toMatchObject({ head: { seq: 5 } });
  });

  it('a change that tables of the same names, made by who asks, would allow', async () => {
    const own = `create temp table audit_mark as select 'pruned' as name, '9000000000000000000'::xid8 as tx, 9::bigint as id`;
    await log.sql.exclusively('own tables', async (runner) => {
      await raw(runner, own);
      await expect(raw(runner, 'delete from public.audit_entry')).rejects.toMatchObject({ code: '42501' });
      await raw(runner, 'drop table pg_temp.audit_mark');
    });
    expect(await verifyChain(log.sql)).toMatchObject({ head: { seq: 5 } });
  });

  it('an entry of a transaction that began long ago', async () => {
    // as the condition of the trigger sees it, without waiting
    const [found] = await raw(log.sql, `select pg_get_triggerdef(oid) as text from pg_trigger where tgname = 'audit_now'`);
    expect(found?.text).toContain(`(clock_timestamp() - '00:05:00'::interval)`);
  });

  it('all that is pruned must be a day old, not only the last of it', async () => {
    const { sql, sealer } = await emptyLog();
    await write(sql, 3);
    await ofOld(sql, 2);
    await sealAll(sql, sealer);
    const move = `update audit_mark set (seq, hash, tx, id) = (select last, substring(hashes from octet_length(hashes) - 31), tx, id from audit_block) where name = 'pruned'`;
    await expect(raw(sql, move)).rejects.toMatchObject({ code: '42501' });
  });
});

describe('tampering', () => {
  const SEALED = 12;
  /** The numbers that blocks end with. */
  const ENDS = [5, 9, 12];
  let log: Log;
  let head: Link;
  let places: Record<string, string>[];
  beforeAll(async () => {
    log = await emptyLog();
    for (const [nth, end] of ENDS.entries()) {
      await write(log.sql, end - (ENDS[nth - 1] ?? 0));
      await sealAll(log.sql, log.sealer);
    }
    places = await raw(log.sql, 'select tx, id from audit_entry order by tx, id');
    await write(log.sql, 2);
    ({ head } = await verifyChain(log.sql));
    expect(await seqs(log.sql)).toHaveLength(SEALED);
  });

  const place = (seq: number) => `('${places[seq - 1]!.tx}', ${places[seq - 1]!.id})`;
  const entry = (seq: number) => `(tx, id) = ${place(seq)}`;
  const endOf = (seq: number) => ENDS.find((end) => end >= seq)!;
  /** What a chain that begins anew with this block would look like: its writer knows how we hash. */
  const resealed = async (runner: Runner, afterBlock: number) => {
    await raw(
      runner,
      `update audit_mark as mark set (seq, hash, tx, id) =
         (select last, substring(hashes from octet_length(hashes) - 31), tx, id from audit_block where last = ${afterBlock}) where name = 'sealed'`,
    );
    await raw(runner, `delete from audit_block where last > ${afterBlock}`);
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
        for (const table of ['audit_entry', 'audit_block', 'audit_mark']) await raw(runner, `alter table ${table} disable trigger all`);
        await raw(runner, 'alter table audit_block drop constraint audit_block_check');
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

  it('a hash of which anything was altered is named', () =>
    fc.assert(
      fc.asyncProperty(n, fc.nat(31), async (seq, byte) => {
        const end = endOf(seq);
        const at = `32 * (${seq} - first::integer) + ${byte}`;
        const found = await doing(
          `update audit_block set hashes = set_byte(hashes, ${at}, get_byte(hashes, ${at}) # 1) where last = ${end}`,
        );
        expect(found).toMatchObject({ seq, what: 'altered' });
      }),
      { numRuns: 30 },
    ));

  it('a block that says anything else is named', async () => {
    expect(await doing(`update audit_block set at = at + interval '1 ms' where last = 9`)).toMatchObject({ seq: 9, what: 'altered' });
    expect(await doing(`update audit_block set id = id + 1, tx = (tx::text::bigint + 1)::text::xid8 where last = 12`)).toMatchObject({
      seq: 12, // the place of the next entry is another one; of a place that nobody has it is the end that is wrong
    });
    expect(await doing(`update audit_block set id = id + 1000000 where last = 9`)).toMatchObject({ seq: 9, what: 'altered' });
    expect(await doing(`update audit_block set id = id - 1 where last = 9`)).toMatchObject({ seq: 9 });
    for (const hashes of [`hashes || sha256('')`, 'substring(hashes from 33)', `''`])
      expect(await doing(`update audit_block set hashes = ${hashes} where last = 9`)).toMatchObject({ seq: 6, what: 'altered' });
    expect(await doing('update audit_block set first = first + 1 where last = 9')).toMatchObject({ seq: 6, what: 'deleted' });
    expect(await doing('update audit_block set first = first - 1 where last = 9')).toMatchObject({ seq: 6, what: 'inserted' });
    expect(await doing('update audit_block set first = 13 where last = 12')).toMatchObject({ seq: 10, what: 'deleted' });
  });

  it('any one row that was deleted is named, wherever it stood', () =>
    fc.assert(
      fc.asyncProperty(n, async (seq) => {
        expect(await doing(`delete from audit_entry where ${entry(seq)}`)).toMatchObject({ seq, what: 'deleted' });
      }),
      { numRuns: 20 },
    ));

  it('a block that was deleted is named, with its entries or without', async () => {
    for (const [nth, end] of ENDS.entries()) {
      const first = (ENDS[nth - 1] ?? 0) + 1;
      const block = `delete from audit_block where last = ${end}`;
      const entries = `delete from audit_entry where (tx, id) between ${place(first)} and ${place(end)}`;
      for (const texts of [[block], [entries], [block, entries]])
        expect(await doing(...texts)).toMatchObject({ seq: first, what: 'deleted' });
    }
  });

  it('two that were exchanged are named by the first, in whatever way they were', () => {
    const pair = fc.tuple(n, n).filter(([a, b]) => a < b);
    const exchange = (columns: string[], a: number, b: number) => {
      const list = columns.join(', ');
      const both = `(tx, id) in (${place(a)}, ${place(b)})`;
      return `with pair as (select * from audit_entry where ${both})
        update audit_entry set (${list}) = (select ${list} from pair where (pair.tx, pair.id) <> (audit_entry.tx, audit_entry.id)) where ${both}`;
    };
    const move = (from: string, to: string) => `update audit_entry set (tx, id) = (select ${to}) where (tx, id) = ${from}`;
    const row = (seq: number) => `'${places[seq - 1]!.tx}'::xid8, ${places[seq - 1]!.id}`;
    return fc.assert(
      fc.asyncProperty(pair, fc.constantFrom('what they say', 'where they are'), async ([a, b], how) => {
        const texts =
          how === 'what they say'
            ? [exchange(Object.keys(COLUMNS), a, b)]
            : [move(place(a), `'1'::xid8, 1`), move(place(b), row(a)), move(`('1', 1)`, row(b))];
        const isOneBlock = endOf(a) === endOf(b); // of another block one cannot tell what it was
        expect(await doing(...texts)).toMatchObject({ seq: a, what: isOneBlock ? 'reordered' : 'altered' });
      }),
      { numRuns: 40 },
    );
  });

  it('an entry that was put in between is named by its place', () =>
    fc.assert(
      fc.asyncProperty(n, async (seq) => {
        // of the same transaction as the one before it, with an id that comes first
        const found = await doing(
          `insert into audit_entry (tx, id, kind) select tx, id - 1000000, 'client-deleted' from audit_entry where ${entry(seq)}`,
        );
        expect(found).toMatchObject({ seq, what: 'inserted' });
      }),
      { numRuns: 12 },
    ));

  it('one that was put before what was pruned is named', async () => {
    const pruned = `update audit_mark set (seq, hash, tx, id) = (select last, substring(hashes from 129), tx, id from audit_block where last = 5) where name = 'pruned'`;
    const gone = [pruned, 'delete from audit_block where last = 5', `delete from audit_entry where (tx, id) <= ${place(5)}`];
    expect(await doing(...gone)).toBeUndefined();
    expect(await doing(...gone, `insert into audit_entry (tx, id, kind) values ('1', 1, 'client-deleted')`)).toMatchObject({
      seq: 5,
      what: 'inserted',
    });
  });

  it('a block that was put at the end, at the beginning or in between is named', async () => {
    const block = (first: number, last: number) =>
      `insert into audit_block (first, last, tx, id, at, hashes) select ${first}, ${last}, tx, id, at, hashes from audit_block where last = 5`;
    expect(await doing(block(13, 17))).toMatchObject({ seq: 13 });
    expect(await doing(block(99, 103))).toMatchObject({ seq: 13 });
    expect(await doing(block(-4, 0))).toMatchObject({ seq: 0, what: 'inserted' });
    expect(await doing(block(3, 7))).toMatchObject({ seq: 6, what: 'inserted' });
  });

  it('an end that was cut off is named', async () => {
    const cut = [`delete from audit_entry where (tx, id) >= ${place(10)}`, 'delete from audit_block where last > 9'];
    expect(await doing(...cut)).toMatchObject({ seq: 10, what: 'deleted' });
  });

  it('marks that were moved or lost are named', async () => {
    expect(await doing(`update audit_mark set seq = 13 where name = 'sealed'`)).toMatchObject({ seq: 13, what: 'deleted' });
    expect(await doing(`update audit_mark set seq = 11 where name = 'sealed'`)).toMatchObject({ seq: 12, what: 'inserted' });
    expect(await doing(`update audit_mark set hash = sha256(hash) where name = 'sealed'`)).toMatchObject({ seq: 12, what: 'altered' });
    expect(await doing(`update audit_mark set seq = 5 where name = 'pruned'`)).toMatchObject({ what: 'inserted' });
    expect(await doing(`update audit_mark set hash = sha256(hash) where name = 'pruned'`)).toMatchObject({ seq: 1, what: 'altered' });
    for (const name of ['pruned', 'sealed'])
      expect(await doing(`delete from audit_mark where name = '${name}'`)).toMatchObject({ what: 'deleted' });
  });

  it('who hashes all anew is seen by whoever has noted an end of the chain', async () => {
    const forge = async (runner: Runner) => {
      await raw(runner, `update audit_entry set actor = 'somebody else' where ${entry(7)}`);
      await resealed(runner, 5);
    };
    expect(await after(forge)).toBeUndefined(); // nobody can tell, from the database alone
    expect(await after(forge, head)).toMatchObject({ seq: SEALED, what: 'rewritten' });
    expect(await after(async () => undefined, head)).toBeUndefined();
    expect(await after(async () => undefined, { seq: 7, hash: head.hash })).toMatchObject({ seq: 7, what: 'rewritten' });
    expect(await after(async () => undefined, { seq: SEALED + 5, hash: head.hash })).toMatchObject({ what: 'deleted' });
  });
});

it('a chain of rows that was there before goes on in blocks, and back', async () => {
  const database = await createDatabase();
  opened.push(() => database.drop());
  const dataSource = await createDataSource(database.url, 4).initialize();
  opened.push(() => dataSource.destroy());
  const sql = new Sql(poolOf(dataSource));
  const sealer = new Sealer(sql, never());
  await raw(sql, `insert into audit_entry (kind, actor) select 'role-created', n from generate_series(1, 1203) as n`);
  await sealAll(sql, sealer);
  await write(sql, 2);
  const before = await verifyChain(sql);
  for (;;) {
    await dataSource.undoLastMigration();
    if ((await raw(sql, `select to_regclass('audit_chain') as old`))[0]?.old) break;
  }
  const seventh = (await raw(sql, `select encode(hash, 'hex') as hash from audit_chain where seq = 7`))[0]?.hash;
  const [chain] = await raw(
    sql,
    `select count(*), max(seq), min(octet_length(hash)) as hash, count(distinct actor) as actors from audit_chain`,
  );
  expect(chain).toEqual({ count: '1203', max: '1203', hash: 32, actors: '1203' });
  await raw(
    sql,
    'alter table audit_chain disable trigger all; delete from audit_chain where seq = 7; alter table audit_chain enable trigger all',
  );
  await dataSource.runMigrations(); // what was tampered with keeps nobody from going on
  expect((await verifyChain(sql)).tampering).toMatchObject({ seq: 7, what: 'deleted' });
  for (;;) {
    await dataSource.undoLastMigration();
    if ((await raw(sql, `select to_regclass('audit_chain') as old`))[0]?.old) break;
  }
  await raw(
    sql,
    `insert into audit_chain (seq, tx, id, hash, kind) select 7, tx, id, decode('${seventh}', 'hex'), kind from audit_entry order by tx, id offset 6 limit 1`,
  );
  await dataSource.runMigrations();
  expect(await raw(sql, 'select first, last from audit_block order by last')).toHaveLength(3);
  expect(await verifyChain(sql)).toEqual(before);
  await sealAll(sql, sealer);
  expect(await verifyChain(sql, before.head)).toMatchObject({ head: { seq: 1205 } });
});

describe('pruning', () => {
  const pruner = (sql: Sql, auditRetention: number) => new Pruner(sql, { auditRetention } as Config, never());

  it('takes the oldest and leaves a chain that hangs on the last of them', async () => {
    const { sql, sealer } = await emptyLog();
    for (const days of [200, 91, 89]) {
      await ofOld(sql, days);
      await sealAll(sql, sealer);
    }
    await write(sql, 5);
    await sealAll(sql, sealer);
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
    await ofOld(sql, 100);
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
    await ofOld(sql, 100);
    await sealAll(sql, sealer);
    await raw(sql, 'alter table audit_entry disable trigger all');
    await raw(sql, 'delete from audit_entry where id = (select id from audit_entry order by tx, id offset 3 limit 1)');
    await raw(sql, 'alter table audit_entry enable trigger all');
    await untilDone(() => pruner(sql, 90).prune());
    expect((await verifyChain(sql)).tampering).toMatchObject({ seq: 4, what: 'deleted' });
  });

  it('meanwhile a verification goes on with what is left', async () => {
    const { sql, sealer } = await emptyLog();
    await ofOld(sql, 100, 2500);
    await write(sql, 5);
    await sealAll(sql, sealer);
    let pages = 0;
    const verdict = await verifyChain({
      query: async (one, parameters) => {
        if (one.name === 'read-places' && ++pages === 2) await untilDone(() => pruner(sql, 90).prune());
        return sql.query(one, parameters);
      },
    });
    expect(verdict).toMatchObject({ anchor: { seq: 0 }, head: { seq: 2505 } });
    expect(verdict.tampering).toBeUndefined();
    expect(pages).toBe(4);
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
    await ofOld(sql, 100);
    await sealAll(sql, sealer);
    await raw(sql, `alter table audit_mark disable trigger all`); // or a day later
    await raw(
      sql,
      `update audit_mark set (seq, hash, tx, id) = (select last, substring(hashes from 129), tx, id from audit_block where last = 5) where name = 'pruned'`,
    );
    await raw(sql, `alter table audit_mark enable trigger all`);
    await raw(sql, 'delete from audit_block where last = 5');
    await raw(sql, 'delete from audit_entry where (tx, id) <= (select tx, id from audit_mark where name = $$pruned$$)');
    expect(await run(on, 'verify', '--noted', noted)).toMatchObject({ code: 0, stdout: expect.not.stringContaining('Not compared') });
    const pruned = `1:${'ab'.repeat(32)}`;
    expect(await run(on, 'verify', '--noted', pruned)).toMatchObject({ code: 2, stdout: expect.stringContaining('Not compared') });
    const told = await run(on, 'verify', '--json', '--noted', pruned);
    expect({ code: told.code, ...JSON.parse(told.stdout) }).toMatchObject({ code: 2, whole: true, compared: false });
    await raw(sql, 'alter table audit_entry disable trigger all');
    await raw(sql, `update audit_entry set kind = 'x' where id = (select id from audit_entry order by tx, id offset 2 limit 1)`);
    expect(await run(on, 'verify')).toMatchObject({ code: 1, stdout: expect.stringMatching(/wrong is 8: altered/) });
    const { code, stdout } = await run(on, 'verify', '--json');
    expect({ code, ...JSON.parse(stdout) }).toMatchObject({ code: 1, whole: false, tampering: { seq: 8, what: 'altered' } });
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
