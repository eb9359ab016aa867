import path from 'node:path';
import {
  amqpUrl,
  audience,
  bucket,
  databaseUrl,
  dataDir,
  endpoint,
  flag,
  issuerUrl,
  masterKey,
  number,
  oneOf,
  region,
  registryService,
  rootUrl,
  scopeList,
  staticClients,
} from './config-values.js';
import { misspelled } from './misspelling.js';

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
  /** Who signs tokens, as verifiers know it: an origin, so without a path. */
  readonly issuerUrl!: string;
  /** This deployment, by the name that creators sign tasks for, and workers expect. */
  readonly signatureAudience!: string;
  /** By which name registries know us, `service` in their configuration: the audience of their tokens. */
  readonly registryService!: string;
  /** Processes that serve, on one port; 1: this one itself. */
  readonly cluster!: number;
  /** Where metrics are served; absent: nowhere. */
  readonly metricsPort: number | undefined;
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
  /** Of a task token, at most. */
  readonly tokenMaxLife!: number;
  readonly claimPoll!: number;
  readonly deadlineDelay!: number;
  readonly sweepInterval!: number;
  /** Whether runs lose the scopes that the creators of their tasks have lost. */
  readonly rederiveScopes!: boolean;
  readonly maxTaskDeadlineDays!: number;
  readonly taskMaxDependencies!: number;
  /** Of a task's definition, in bytes. */
  readonly maxTaskSize!: number;
  /** How long events are kept. */
  readonly eventRetention!: number;
  /** How many days audit entries are kept; 0: for ever. */
  readonly auditRetention!: number;
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

/** Why nothing can listen there, by the name of the setting that says where. */
export function cannotListen(setting: 'PORT' | 'METRICS_PORT', port: number, host: string, cause: NodeJS.ErrnoException): ConfigError {
  const inUse = cause.code === 'EADDRINUSE';
  const problem = inUse ? `Port ${port} of ${host} is in use` : `Nothing can listen on port ${port} of ${host} (${cause.message})`;
  return new ConfigError(`${problem}; set ${setting} (or HOST) to another one`, { cause });
}

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
  const root = attempt('ROOT_URL', `http://localhost:${port}`, rootUrl);
  const issuer = attempt('ISSUER_URL', new URL(root).origin, issuerUrl);
  const config: Config = {
    port,
    host: given('HOST') ?? 'localhost',
    rootUrl: root,
    issuerUrl: issuer,
    signatureAudience: attempt('SIGNATURE_AUDIENCE', issuer, audience),
    registryService: attempt('REGISTRY_SERVICE', new URL(issuer).host, registryService),
    cluster: whole('CLUSTER', 1, 1, 64),
    metricsPort: attempt<number | undefined>('METRICS_PORT', undefined, (text) => number(text, 0, 65_535, 'whole number')),
    dataDir: attempt('DATA_DIR', path.resolve('data'), dataDir),
    databaseUrl: attempt('DATABASE_URL', undefined, databaseUrl),
    masterKey: attempt('MASTER_KEY', undefined, masterKey),
    staticClients: attempt('STATIC_CLIENTS', undefined, staticClients),
    anonymousScopes: attempt('ANONYMOUS_SCOPES', ANONYMOUS_READS, scopeList),
    claimTimeout: seconds('CLAIM_TIMEOUT', 1200, 1, 7 * DAY),
    credentialsGrace: seconds('CREDENTIALS_GRACE', 900, 0, 7 * DAY),
    tokenMaxLife: seconds('TOKEN_MAX_LIFE', 3600, 1, 7 * DAY),
    claimPoll: seconds('CLAIM_POLL', 20, 0, 28), // the JS client gives up after 30 s
    deadlineDelay: seconds('DEADLINE_DELAY', 60, 0, DAY),
    sweepInterval: seconds('SWEEP_INTERVAL', 2, 0.05, 600),
    rederiveScopes: attempt('REDERIVE_SCOPES', true, flag),
    maxTaskDeadlineDays: whole('MAX_TASK_DEADLINE_DAYS', 5, 1, 365),
    taskMaxDependencies: whole('TASK_MAX_DEPENDENCIES', 10_000, 0, 10_000),
    maxTaskSize: whole('MAX_TASK_SIZE', MEBIBYTE, 16 * 1024, 10 * MEBIBYTE), // a request may not be larger
    eventRetention: seconds('EVENT_RETENTION', DAY, 60, 365 * DAY),
    auditRetention: whole('AUDIT_RETENTION', 90, 0, 36_500),
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
