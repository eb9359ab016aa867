import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { ScopeTemplate } from '../src/scopes/scope-expression.js';
import { mostConnections } from '../src/service/postgres/data-source.js';
import { VERSION } from '../src/service/version.js';
import { type DocumentedRoute, documentedRoutes, serviceOf } from './support/contract.js';

/* The rules of the house that no linter knows, and that the linter knows its own. */

const filesIn = (directory: string) =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(directory, name))
    .filter((name) => name.endsWith('.ts'));
const SOURCES = [...filesIn('src'), ...filesIn('migrations')].map((file) => ({ file, text: readFileSync(file, 'utf8') }));

it('the environment is read where the program is put together, and nowhere else', () => {
  const readers = SOURCES.filter(({ text }) => /\bprocess\.env\b|\benv\b.*from 'node:process'/.test(text)).map(({ file }) => file);
  const commands = ['audit', 'keys', 'leasehold', 'signatures'].map((name) => `src/cli/${name}.ts`);
  const programs = [...commands, 'src/service/main.ts', 'src/service/migrate.ts'];
  // the last one reads no configuration: it passes PATH on to the programs of Postgres
  expect(readers.sort()).toEqual([...programs, 'src/service/postgres/postgres-host.ts']);
  expect(readFileSync('src/service/postgres/postgres-host.ts', 'utf8').match(/process\.env\.?\w*/g)).toEqual(['process.env.PATH']);
});

it('every statement has a name of its own, in a file under sql/ that of the file', () => {
  const declared = SOURCES.flatMap(({ file, text }) =>
    [...text.matchAll(/= statement(?:<[^(]*>)?\(\s*'([^']+)'/g)].map(([, name = '']) => ({ file, name })),
  );
  expect(declared.length).toBeGreaterThan(20);
  const names = declared.map(({ name }) => name);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]); // Postgres would run the first one's text
  for (const { file, name } of declared.filter((one) => one.file.includes('/sql/'))) expect(path.basename(file, '.ts')).toBe(name);
});

it('a file under sql/ holds one statement, or what several share', () => {
  for (const { file, text } of SOURCES.filter((source) => source.file.includes('/sql/'))) {
    const statements = text.match(/\bstatement(<[^(]*>)?\(/g) ?? [];
    expect([file, statements.length]).toEqual([file, file.endsWith('-columns.ts') ? 0 : 1]);
    const literals = [...text.replace(/^ *(\/\/|\/?\*).*$/gm, '').matchAll(/`([^`]*)`/g)].map(([, literal = '']) => literal);
    expect(literals.filter((literal) => literal.includes(';'))).toEqual([]);
  }
});

it('every statement that changes a task or a group writes its event, or changes nothing that anybody is told', () => {
  const silent = SOURCES.filter(({ file }) => file.includes('/sql/'))
    .filter(
      ({ text }) => /\b(update|insert into) (task|task_group)\b/.test(text) && !/record(GroupEvent|EventThenPending|Event)\(/.test(text),
    )
    .map(({ file }) => path.basename(file, '.ts'));
  // a lease that is extended, a row that a sweep is to look at later, whether others depend on it, a group, told by its first task, and what
  // a worker found of a signature, told by the end of the run
  expect(silent.sort()).toEqual(['extend-claim', 'insert-dependencies', 'insert-groups', 'rearm-due', 'report-signature']);
});

it('between a call and its handler there is the guard, and nothing else that every claim would pay for', () => {
  const all = SOURCES.flatMap(({ text }) => text.match(/provide: APP_\w+|useGlobal\w+|UseInterceptors|NestInterceptor/g) ?? []);
  expect(all.sort()).toEqual(['provide: APP_FILTER', 'provide: APP_GUARD']); // a filter is asked about errors only
});

it('README tells how many connections there are', () => {
  const [most, from, least] = /up to (\d+) connections, with more processes fewer, from\s`CLUSTER=(\d+)` on (\d+) each/
    .exec(readFileSync('README.md', 'utf8'))!
    .slice(1)
    .map(Number) as [number, number, number];
  const each = (processes: number) => (mostConnections(processes) - 2) / processes;
  expect([each(1), each(from), each(from + 30)]).toEqual([most, least, least]);
  expect(each(from - 1)).toBeGreaterThan(least);
});

it('folders and files are named after nouns of the domain', () => {
  const drawers = [...filesIn('src'), ...filesIn('test')].filter((file) =>
    /(^|\/)(utils?|common|shared|helpers?|misc|lib)(\/|\.ts$)/.test(file),
  );
  expect(drawers).toEqual([]);
  expect(filesIn('src').filter((file) => path.basename(file) === 'index.ts')).toEqual([]);
});

it('every migration is run, in the order of its name', () => {
  const dataSource = readFileSync('src/service/postgres/data-source.ts', 'utf8');
  const run = /migrations: \[([^\]]+)\]/.exec(dataSource)?.[1]?.match(/\d{13}/g);
  expect(run).toEqual(
    filesIn('migrations')
      .sort()
      .map((file) => /^migrations\/(\d{13})-[a-z-]+\.ts$/.exec(file)?.[1]),
  );
});

it('the version is that of package.json', () => {
  expect(VERSION).toBe(JSON.parse(readFileSync('package.json', 'utf8')).version);
});

/** A template as docs/operations.md has it: each scope up to its first parameter. */
function shortened(template: ScopeTemplate | undefined, within = false): string {
  if (template === undefined) return 'none';
  if (typeof template === 'string') return template === '<scope>' ? 'each scope given' : `\`${template.replace(/<.*$/, '…')}\``;
  if ('for' in template) return shortened(template.each, true);
  if ('if' in template) throw new Error('docs/operations.md has no words yet for scopes that depend on a condition');
  const [members, joint] = 'AllOf' in template ? [template.AllOf, ' and '] : [template.AnyOf, ' or '];
  const list = members.map((member) => shortened(member, true)).join(joint);
  return within && members.length > 1 ? `(${list})` : list;
}

it('docs/operations.md has each operation once, by its route and its scopes, and says how it compares with upstream', () => {
  const rowOf = ({ method, path: url, operation }: DocumentedRoute) =>
    `| \`${operation.operationId}\` | ${method.toUpperCase()} ${url.replace(/^\/api\/[\w-]+\/v1/, '')} | ${shortened(operation['x-required-scopes'] as ScopeTemplate | undefined)} |`;
  const rows = readFileSync('docs/operations.md', 'utf8').match(/^\| `.*$/gm) ?? [];
  const compared = rows.map((row) => / (same as upstream(?:, .+)?|fixed: .+|beyond: .+) \|$/.exec(row));
  expect(rows.filter((_, index) => !compared[index])).toEqual([]);
  expect(rows.map((row, index) => row.slice(0, compared[index]?.index)).sort()).toEqual(documentedRoutes.map(rowOf).sort());
});

it('every service has its operations tested', () => {
  const tests = readdirSync('test').filter((file) => /^operations\..*\.test\.ts$/.test(file));
  const tested = tests.flatMap((file) =>
    [...(/testOperations\(([^)]*)\)/.exec(readFileSync(path.join('test', file), 'utf8'))?.[1] ?? '').matchAll(/'([\w-]+)'/g)].map(
      ([, of]) => of,
    ),
  );
  expect(tested.sort()).toEqual([...new Set(documentedRoutes.map(serviceOf))].sort());
  const folders = readdirSync('test/operations', { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(folders.map(({ name }) => name).filter((name) => !tested.includes(name))).toEqual([]);
});

describe('dependency-cruiser', () => {
  /** Which rule each planted import must break. */
  const PLANTED: Record<string, [file: string, text: string]> = {
    'room-scopes': ['src/scopes/planted.ts', "import '../credentials/hmac.js';"],
    'room-signatures': ['src/signatures/planted.ts', "import '../scopes/scope.js';"],
    'room-credentials': ['src/credentials/planted.ts', "import '../signatures/canonical-json.js';"],
    'room-client': ['src/client/planted.ts', "import '../service/http/api-error.js';"],
    'room-registry-tokens': ['src/registry-tokens/planted.ts', "import '../scopes/scope.js';"],
    'room-worker': ['src/worker/planted.ts', "import '../service/http/api-error.js';"],
    'room-cli': ['src/cli/planted.ts', "import '../service/auth/registry.js';"],
    'room-service-postgres': ['src/service/postgres/planted.ts', "import '../http/api-error.js';"],
    'room-service-http': ['src/service/http/planted.ts', "import '../auth/registry.js';"],
    'room-service-auth': ['src/service/auth/planted.ts', "import '../queue/run-state.js';"],
    'room-service-audit': ['src/service/audit/planted.ts', "import '../auth/registry.js';"],
    'room-service-fleet': ['src/service/fleet/planted.ts', "import '../queue/run-state.js';"],
    'room-service-signatures': ['src/service/signatures/planted.ts', "import '../queue/run-state.js';"],
    'room-service-purge-cache': ['src/service/purge-cache/planted.ts', "import '../postgres/sql.js';"],
    'room-service-queue': ['src/service/queue/planted.ts', "import '../auth/registry.js';"],
    'room-service-events': ['src/service/events/planted.ts', "import '../auth/registry.js';"],
    'room-service-metrics': ['src/service/metrics/planted.ts', "import '../queue/run-state.js';"],
    'room-service-registry': ['src/service/registry/planted.ts', "import '../queue/run-state.js';"],
    'room-service-artifacts': ['src/service/artifacts/planted.ts', "import '../auth/registry.js';"],
    'nouns-stay-plain': ['src/service/keys.ts', "import './http/api-error.js';"],
    'root-is-the-rim': ['src/service/queue/planted-rim.ts', "import '../service.js';"],
    'pure-has-no-framework': ['src/scopes/planted-framework.ts', "import '@nestjs/common';"],
    'pure-has-no-effects': ['src/credentials/planted-effect.ts', "import 'node:fs';"],
    'one-lender': ['src/service/auth/planted-mint.ts', "import '../../credentials/mint.js';"],
    'one-lender-of-artifacts': ['src/service/artifacts/planted-mint.ts', "import '../../credentials/artifact-mint.js';"],
    'one-issuer-of-tokens': ['src/service/auth/planted-token-mint.ts', "import '../../credentials/token-mint.js';"],
    'only-exchange-issues': ['src/service/auth/planted-issue.ts', "import './tokens/issue-token.service.js';"],
    'artifacts-find-tasks': ['src/service/artifacts/planted-queue.ts', "import '../queue/sql/find-task.js';"],
    'only-claims-lend': ['src/service/queue/planted-lend.ts', "import './claims/lend-credentials.js';"],
    'one-door-to-postgres': ['src/service/queue/planted-pg.ts', "import pg from 'pg'; pg;"],
    'one-counter': ['src/service/queue/planted-counter.ts', "import 'prom-client';"],
    'one-certifier': ['src/service/auth/planted-certificate.ts', "import '@peculiar/x509';"],
    'one-issuer-of-registry-tokens': ['src/service/queue/planted-registry.ts', "import '../registry/registry-tokens.service.js';"],
    'one-broker': ['src/service/events/planted-amqp.ts', "import 'amqplib';"],
    'one-bucket': ['src/service/artifacts/planted-s3.ts', "import '@aws-sdk/client-s3';"],
    'rows-do-not-sign': ['src/service/queue/sql/planted.ts', "import '../../http/caller.js';"],
    'src-never-imports-test': ['src/service/http/planted-test.ts', "import '../../../test/support/api.js';"],
    'no-cycles': ['src/scopes/planted-a-cycle.ts', "import './planted-cycle.js';"],
    'no-barrels': ['src/scopes/planted-barrel.ts', "import './inner/index.js';"],
    'no-drawers': ['src/scopes/planted-drawer.ts', "import './utils/planted.js';"],
    'no-dev-dependencies-in-src': ['src/client/planted-dev.ts', "import 'hawk';"],
    'not-resolvable': ['src/scopes/planted-nowhere.ts', "import './nowhere.js';"],
  };
  const ALSO = {
    'src/scopes/planted-cycle.ts': "import './planted-a-cycle.js';",
    'src/scopes/inner/index.ts': 'export {};',
    'src/scopes/utils/planted.ts': 'export {};',
  };

  const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-house-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  async function violations(): Promise<{ rule: { name: string }; from: string }[]> {
    const cli = path.resolve('node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
    const command = [cli, '--config', '.dependency-cruiser.cjs', '--output-type', 'json', 'src', 'migrations'];
    const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: directory, maxBuffer: 1e8 }).catch((error) => error);
    return JSON.parse(stdout).summary.violations;
  }

  it('catches a violation of each of its rules', async () => {
    for (const name of ['src', 'migrations', 'test', 'package.json', 'tsconfig.json', '.dependency-cruiser.cjs']) {
      cpSync(name, path.join(directory, name), { recursive: true });
    }
    symlinkSync(path.resolve('node_modules'), path.join(directory, 'node_modules'));
    for (const [file, text] of [...Object.values(PLANTED), ...Object.entries(ALSO)]) {
      mkdirSync(path.dirname(path.join(directory, file)), { recursive: true });
      writeFileSync(path.join(directory, file), `${text}\n`);
    }
    const found = await violations();
    const { forbidden } = createRequire(path.resolve('package.json'))('./.dependency-cruiser.cjs') as { forbidden: { name: string }[] };
    expect(Object.keys(PLANTED).sort()).toEqual(forbidden.map(({ name }) => name).sort());
    const missed = Object.entries(PLANTED).filter(
      ([rule, [file]]) => !found.some(({ rule: { name }, from }) => name === rule && from === file),
    );
    expect(missed.map(([rule]) => rule)).toEqual([]);
    const planted = new Set([...Object.values(PLANTED).map(([file]) => file), ...Object.keys(ALSO)]);
    expect(found.filter(({ from }) => !planted.has(from))).toEqual([]);
  });
});
