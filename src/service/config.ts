import { readFileSync } from 'node:fs';
import path from 'node:path';
import { QUEUE_ISSUER } from '../credentials/run-grant.js';
import { isScope } from '../scopes/scope.js';
import { CLIENT_ID } from './http/identifiers.js';

/** A client from configuration: it exists as long as the configuration says so. */
export interface StaticClient {
  clientId: string;
  accessToken: string;
  scopes: string[];
  description: string;
}

/** A bucket for the bytes of artifacts. */
export interface S3Config {
  bucket: string;
  /** Absent: that of AWS for the region. */
  endpoint: string | undefined;
  region: string;
  /** Both or neither; absent: wherever the AWS SDK finds them. */
  accessKeyId: string | undefined;
  secretAccessKey: string | undefined;
}

/** What the environment says, checked. Durations are seconds. */
export class Config {
  readonly port!: number;
  readonly host!: string;
  /** Without a trailing slash. */
  readonly rootUrl!: string;
  readonly dataDir!: string;
  /** Absent: the embedded Postgres under dataDir. */
  readonly databaseUrl: string | undefined;
  /** Absent: kept in a file under dataDir. */
  readonly masterKey: string | undefined;
  /** Absent: one bootstrap client that may do anything. */
  readonly staticClients: readonly StaticClient[] | undefined;
  /** What callers without credentials may do, and so everybody. */
  readonly anonymousScopes!: readonly string[];
  readonly claimTimeout!: number;
  readonly credentialsGrace!: number;
  readonly claimPoll!: number;
  readonly deadlineDelay!: number;
  readonly sweepInterval!: number;
  readonly maxTaskDeadlineDays!: number;
  readonly taskMaxDependencies!: number;
  /** Of a task's definition, in bytes. */
  readonly maxTaskSize!: number;
  /** How long events are kept. */
  readonly eventRetention!: number;
  /** In bytes. */
  readonly artifactMaxSize!: number;
  /** Absent: artifacts are kept under dataDir. */
  readonly s3: S3Config | undefined;
  /** Absent: nobody is told by AMQP. It may hold a password. */
  readonly amqpUrl: string | undefined;
  readonly logLevel!: string;
}

/** The environment is not what the service needs; the message names each variable and its fix. */
export class ConfigError extends Error {}

/**
 * What everybody may do unless ANONYMOUS_SCOPES says otherwise. Clients count on these without credentials: generic-worker asks for a
 * status, taskcluster-proxy for its task, the CLI for logs.
 */
const ANONYMOUS_READS = [
  'auth:current-scopes',
  'auth:expand-scopes',
  'purge-cache:purge-requests:*',
  'queue:get-artifact:public/*',
  'queue:get-task:*',
  'queue:get-worker:*',
  'queue:get-worker-type:*',
  'queue:list-artifacts:*',
  'queue:list-dependent-tasks:*',
  'queue:list-task-group:*',
  'queue:list-worker-types:*',
  'queue:list-workers:*',
  'queue:pending-count:*',
  'queue:status:*',
];
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const DAY = 86_400;
const MEBIBYTE = 1024 ** 2;
const GIBIBYTE = 1024 ** 3;

/** Reads the configuration. An empty variable counts as absent. Throws ConfigError naming everything that is wrong at once. */
export function readConfig(environment: Record<string, string | undefined>): Config {
  const problems: string[] = [];
  const known = new Set<string>();
  const given = (name: string) => {
    known.add(name);
    return environment[name]?.trim() || undefined;
  };
  const attempt = <T>(name: string, fallback: T, parse: (text: string) => T): T => {
    const text = given(name);
    try {
      return text === undefined ? fallback : parse(text);
    } catch (error) {
      problems.push(`${name}: ${(error as Error).message}`);
      return fallback;
    }
  };
  const seconds = (name: string, fallback: number, least: number, most: number) =>
    attempt(name, fallback, (text) => number(text, least, most, 'seconds'));
  const whole = (name: string, fallback: number, least: number, most: number) =>
    attempt(name, fallback, (text) => number(text, least, most, 'whole number'));

  const s3 = ({ bucket, region, ...rest }: Partial<S3Config>): S3Config | undefined => {
    const stray = Object.values({ region, ...rest }).some((value) => value !== undefined);
    if (bucket === undefined && stray && !problems.some((problem) => problem.startsWith('ARTIFACTS_S3_BUCKET:')))
      problems.push('ARTIFACTS_S3_BUCKET: is not set, but other ARTIFACTS_S3_… are; set it, or unset them');
    if ((rest.accessKeyId === undefined) !== (rest.secretAccessKey === undefined))
      problems.push('ARTIFACTS_S3_ACCESS_KEY_ID and ARTIFACTS_S3_SECRET_ACCESS_KEY: one is set without the other; set both, or neither');
    const { endpoint, accessKeyId, secretAccessKey } = rest;
    return bucket === undefined ? undefined : { bucket, endpoint, region: region ?? 'us-east-1', accessKeyId, secretAccessKey };
  };

  const port = whole('PORT', 8080, 0, 65_535);
  const config: Config = {
    port,
    host: given('HOST') ?? 'localhost',
    rootUrl: attempt('ROOT_URL', `http://localhost:${port}`, rootUrl),
    dataDir: attempt('DATA_DIR', path.resolve('data'), dataDir),
    databaseUrl: attempt('DATABASE_URL', undefined, databaseUrl),
    masterKey: attempt('MASTER_KEY', undefined, masterKey),
    staticClients: attempt('STATIC_CLIENTS', undefined, staticClients),
    anonymousScopes: attempt('ANONYMOUS_SCOPES', ANONYMOUS_READS, scopeList),
    claimTimeout: seconds('CLAIM_TIMEOUT', 1200, 1, 7 * DAY),
    credentialsGrace: seconds('CREDENTIALS_GRACE', 900, 0, 7 * DAY),
    claimPoll: seconds('CLAIM_POLL', 20, 0, 28), // the JS client gives up after 30 s
    deadlineDelay: seconds('DEADLINE_DELAY', 60, 0, DAY),
    sweepInterval: seconds('SWEEP_INTERVAL', 2, 0.05, 600),
    maxTaskDeadlineDays: whole('MAX_TASK_DEADLINE_DAYS', 5, 1, 365),
    taskMaxDependencies: whole('TASK_MAX_DEPENDENCIES', 10_000, 0, 10_000),
    maxTaskSize: whole('MAX_TASK_SIZE', MEBIBYTE, 16 * 1024, 10 * MEBIBYTE), // a request may not be larger
    eventRetention: seconds('EVENT_RETENTION', DAY, 60, 365 * DAY),
    artifactMaxSize: whole('ARTIFACT_MAX_SIZE', 10 * GIBIBYTE, 1, 5 * 1024 * GIBIBYTE),
    s3: s3({
      bucket: attempt('ARTIFACTS_S3_BUCKET', undefined, bucket),
      endpoint: attempt('ARTIFACTS_S3_ENDPOINT', undefined, endpoint),
      region: attempt('ARTIFACTS_S3_REGION', undefined, region),
      accessKeyId: given('ARTIFACTS_S3_ACCESS_KEY_ID'),
      secretAccessKey: given('ARTIFACTS_S3_SECRET_ACCESS_KEY'),
    }),
    amqpUrl: attempt('AMQP_URL', undefined, amqpUrl),
    logLevel: attempt('LOG_LEVEL', 'info', oneOf(LOG_LEVELS)),
  };
  problems.push(...misspelled(environment, [...known]));
  if (problems.length > 0)
    throw new ConfigError(`The configuration is not usable:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  return Object.freeze(config);
}

const SHORTEST_MISSPELLED = 8; // a shorter name is too easily near one of ours by chance, and somebody else's
const MOST_EDITS = 2;
const OTHERS = ['SMTP_URL']; // near AMQP_URL, and in many environments

/** A misspelled variable would silently leave its setting at the default. The environment is full of others' names: only near misses count. */
function misspelled(environment: Record<string, string | undefined>, known: readonly string[]): string[] {
  return Object.keys(environment)
    .filter((name) => name.length >= SHORTEST_MISSPELLED && environment[name]?.trim() && ![...known, ...OTHERS].includes(name))
    .flatMap((name) => {
      const meant = known.find((other) => Math.abs(other.length - name.length) <= MOST_EDITS && edits(name, other) <= MOST_EDITS);
      return meant === undefined ? [] : [`${name}: is no setting; did you mean ${meant}?`];
    });
}

/** How many characters have to be put in, taken out or replaced to make one text of the other. */
function edits(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [row, character] of [...from].entries()) {
    const line = [row + 1];
    for (let column = 0; column < to.length; column++) {
      const replaced = (above[column] ?? 0) + (character === to[column] ? 0 : 1);
      line.push(Math.min(replaced, (above[column + 1] ?? 0) + 1, (line[column] ?? 0) + 1));
    }
    above = line;
  }
  return above[to.length] ?? 0;
}

/** Plain decimals only: nobody who writes 0x10 or 1e3 seconds into a configuration means it. */
function number(text: string, least: number, most: number, unit: 'seconds' | 'whole number'): number {
  const value = Number(text);
  const right = /^\d+(\.\d+)?$/.test(text) && value >= least && value <= most && (unit === 'seconds' || Number.isInteger(value));
  if (right) return value;
  throw new Error(
    `${JSON.stringify(text)} is not a ${unit === 'seconds' ? 'number of seconds' : unit} from ${least} to ${most}; set one or leave it unset`,
  );
}

function oneOf(words: readonly string[]) {
  return (text: string): string => {
    if (words.includes(text)) return text;
    throw new Error(`${JSON.stringify(text)} is unknown; set one of ${words.join(', ')}`);
  };
}

function rootUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && !/[?#@\s]/.test(text)) return text.replace(/\/+$/, '');
  const shown = text.includes('@') ? 'what is set' : JSON.stringify(text); // before an @ there may be a password
  throw new Error(`${shown} is not a root URL; set one like https://tasks.example.com`);
}

function bucket(text: string): string {
  if (/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(text)) return text;
  throw new Error(`${JSON.stringify(text)} is not the name of a bucket; set 3 to 63 lower-case letters, digits, . or -`);
}

function endpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && !/[?#@\s]/.test(text)) return text.replace(/\/+$/, '');
  throw new Error('is not the URL of an S3 service; set one like https://s3.example.com, without user and password');
}

function region(text: string): string {
  if (/^[a-z0-9-]{1,64}$/.test(text)) return text;
  throw new Error(`${JSON.stringify(text)} is not a region; set one like eu-central-1`);
}

/** What the kernel shows as files is no place for ours; Node's recursive mkdir does not even return under /proc. */
function dataDir(text: string): string {
  const directory = path.resolve(text);
  if (!/^\/(proc|sys|dev)(\/|$)/.test(directory)) return directory;
  throw new Error(`${JSON.stringify(directory)} is under /proc, /sys or /dev, where no data is kept; set a directory on a disk`);
}

function databaseUrl(text: string): string {
  if (/^postgres(ql)?:\/\//.test(text)) return text;
  throw new Error('is not a Postgres URL; set one like postgres://user:password@host:5432/database, or leave it unset'); // may hold a password: not shown
}

function amqpUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^amqps?:$/.test(url.protocol) && url.hostname !== '' && [url.username, url.password, url.pathname].every(isEncoded))
    return text;
  throw new Error('is not an AMQP URL; set one like amqps://user:password@host:5671/vhost, or leave it unset'); // may hold a password: not shown
}

function isEncoded(part: string): boolean {
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    return false; // a % that stands for itself has to be %25
  }
}

function masterKey(text: string): string {
  if (text.length >= 32) return text;
  throw new Error('is shorter than 32 characters; make one with: openssl rand -base64 32');
}

/** `a**` would stand for what begins with a literal `a*`, which is hardly meant; the API refuses it in clients and roles, too. */
function endsInTwoStars(scope: string): boolean {
  return scope.endsWith('**');
}

function scopeList(text: string): string[] {
  const list: unknown = text.startsWith('[') ? json(text) : text.split(/\s+/);
  if (!Array.isArray(list) || !list.every(isScope))
    throw new Error('is not a list of scopes; set scopes separated by spaces, or a JSON array of them ([] for none)');
  const doubled = list.find(endsInTwoStars);
  if (doubled !== undefined) throw new Error(`the scope ${doubled} ends in **; end it in one *`);
  return list;
}

/** A JSON array, or `@` and the path of a file that holds one: access tokens need not be in the environment. */
function staticClients(text: string): StaticClient[] {
  const list = json(text.startsWith('@') ? fileText(text.slice(1)) : text);
  if (!Array.isArray(list)) throw new Error('is not a JSON array of {clientId, accessToken, scopes, description?}');
  const clients = list.map(staticClient);
  const twice = clients.find((client, index) => clients.findIndex((other) => other.clientId === client.clientId) !== index);
  if (twice) throw new Error(`names ${twice.clientId} twice; keep one`);
  return clients;
}

function fileText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`the file ${file} cannot be read (${(error as NodeJS.ErrnoException).code}); set @ and the path of a readable file`);
  }
}

function staticClient(entry: unknown, index: number): StaticClient {
  const wrong = (what: string) => new Error(`entry ${index}: ${what}`);
  if (typeof entry !== 'object' || entry === null) throw wrong('is not an object {clientId, accessToken, scopes, description?}');
  const { clientId, accessToken, scopes, description = '', ...unknown } = entry as Record<string, unknown>;
  if (typeof clientId !== 'string' || !CLIENT_ID.pattern.test(clientId)) throw wrong(`clientId must be ${CLIENT_ID.description}`);
  if (clientId === QUEUE_ISSUER) throw wrong(`clientId ${QUEUE_ISSUER} is the service's own; choose another`);
  if (typeof accessToken !== 'string' || !/^[a-zA-Z0-9_-]{22,66}$/.test(accessToken)) {
    throw wrong('accessToken must be 22 to 66 letters, digits, - or _; make one with: openssl rand -hex 32');
  }
  if (!Array.isArray(scopes) || !scopes.every(isScope))
    throw wrong('scopes must be an array of scopes without space, double quote and backslash');
  const doubled = scopes.find(endsInTwoStars);
  if (doubled !== undefined) throw wrong(`the scope ${doubled} ends in **; end it in one *`);
  if (typeof description !== 'string') throw wrong('description must be a text');
  if (Object.keys(unknown).length > 0) throw wrong(`has unknown fields: ${Object.keys(unknown).join(', ')}`);
  return { clientId, accessToken, scopes, description };
}

/** JSON.parse quotes the text in its message; here the text may be a secret. */
function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('is not JSON');
  }
}
