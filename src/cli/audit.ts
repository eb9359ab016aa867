import { parseArgs } from 'node:util';
import type { Link } from '../service/audit/chain.js';
import { type Verdict, verifyChain } from '../service/audit/verify-chain.js';
import { ConfigError, readConfig } from '../service/config.js';
import { connect, poolOf } from '../service/postgres/data-source.js';
import { EmbeddedPostgresError, findEmbeddedPostgres, startEmbeddedPostgres } from '../service/postgres/embedded-postgres.js';
import { MIGRATING } from '../service/postgres/session.js';
import { Sql } from '../service/postgres/sql.js';

const USAGE = `npm run audit -- verify [--json] [--noted <seq>:<hash>]

  Checks the chain of the audit log, in the database of DATABASE_URL or the embedded one under DATA_DIR, while the service runs or not.
  Exit code 0: it is whole. 1: it is not, and the first number that is wrong is named. 2: it could not be checked, or not compared with
  what was noted. --noted: an end of the chain that was printed before; who rewrites or cuts off the log cannot rewrite your note.`;

/** The program's exit code. */
async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { json: { type: 'boolean' }, noted: { type: 'string' } },
    allowPositionals: true,
  });
  if (positionals.join(' ') !== 'verify') throw new ConfigError(USAGE);
  const noted = values.noted === undefined ? undefined : parseLink(values.noted);
  const verdict = await onDatabase((sql) => verifyChain(sql, noted));
  const compared = noted === undefined ? undefined : noted.seq >= verdict.anchor.seq;
  console.log(values.json ? JSON.stringify(shown(verdict, compared)) : told(verdict, compared));
  if (verdict.tampering) return 1;
  return compared === false ? 2 : 0;
}

/** An embedded Postgres that runs is asked as it is; one that does not is started for as long as it takes. */
async function onDatabase<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
  const { databaseUrl, dataDir } = readConfig(process.env);
  const known = databaseUrl ?? (await findEmbeddedPostgres(dataDir));
  const started = known === undefined ? await startEmbeddedPostgres({ dataDir }) : undefined;
  try {
    const dataSource = await connect(known ?? started!.url, 1, MIGRATING);
    return await work(new Sql(poolOf(dataSource))).finally(() => dataSource.destroy());
  } finally {
    await started?.stop();
  }
}

function parseLink(text: string): Link {
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (seq === undefined || hash === undefined) throw new ConfigError('--noted: want <seq>:<hash>, as this command has printed it');
  return { seq: Number(seq), hash: Buffer.from(hash, 'hex') };
}

/** `compared`: with what was noted, if anything was. What is pruned cannot be: whoever may delete could have pruned all of it. */
function shown({ anchor, head, tampering }: Verdict, compared: boolean | undefined): object {
  const link = ({ seq, hash }: Link) => ({ seq, hash: hash.toString('hex') });
  const verdict = { whole: tampering === undefined, anchor: link(anchor), head: link(head) };
  return { ...verdict, ...(compared !== undefined && { compared }), ...(tampering && { tampering }) };
}

function told({ anchor, head, tampering }: Verdict, compared: boolean | undefined): string {
  if (tampering)
    return `The audit log was tampered with. The first entry that is wrong is ${tampering.seq}: ${tampering.what} (${tampering.why}).`;
  const older = `\nNot compared: what was noted lies before ${anchor.seq}, and is pruned. Note an end more often than AUDIT_RETENTION.`;
  const end = `${head.seq}:${head.hash.toString('hex')}`;
  return `The audit log is whole: ${head.seq - anchor.seq} entries after ${anchor.seq}. Its end, to be noted: ${end}${compared === false ? older : ''}`;
}

/** What whoever calls it can mend. */
function isKnown(error: unknown): error is Error {
  if (error instanceof ConfigError || error instanceof EmbeddedPostgresError) return true;
  return String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS_');
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(isKnown(error) ? error.message : error);
  process.exitCode = 2;
}
