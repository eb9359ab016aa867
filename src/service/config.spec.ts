import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ConfigError, readConfig } from './config.js';
import { deriveKeys, keptMasterKey } from './keys.js';

const TOKEN = 'token-0123456789-abcdefghij';
const CLIENT = { clientId: 'static/a', accessToken: TOKEN, scopes: ['a:*'] };

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'leasehold-config-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function refusal(environment: Record<string, string>): string {
  try {
    readConfig(environment);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error(`was not refused: ${JSON.stringify(environment)}`);
}

const DEFAULTS = {
  port: 8080,
  host: 'localhost',
  rootUrl: 'http://localhost:8080',
  issuerUrl: 'http://localhost:8080',
  signatureAudience: 'http://localhost:8080',
  cluster: 1,
  metricsPort: undefined,
  dataDir: path.resolve('data'),
  databaseUrl: undefined,
  masterKey: undefined,
  staticClients: undefined,
  anonymousScopes: [
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
  ],
  claimTimeout: 1200,
  credentialsGrace: 900,
  tokenMaxLife: 3600,
  claimPoll: 20,
  deadlineDelay: 60,
  sweepInterval: 2,
  rederiveScopes: true,
  registryService: 'localhost:8080',
  maxTaskDeadlineDays: 5,
  taskMaxDependencies: 10_000,
  maxTaskSize: 1_048_576,
  eventRetention: 86_400,
  auditRetention: 90,
  artifactMaxSize: 10_737_418_240,
  s3: undefined,
  amqpUrl: undefined,
  logLevel: 'info',
};

it('has a default for everything; an empty variable is as good as none', () => {
  expect(readConfig({})).toEqual(DEFAULTS);
  const names = [
    'PORT',
    'ROOT_URL',
    'DATABASE_URL',
    'AMQP_URL',
    'MASTER_KEY',
    'STATIC_CLIENTS',
    'ANONYMOUS_SCOPES',
    'CLAIM_TIMEOUT',
    'LOG_LEVEL',
    'DATA_DIR',
  ];
  expect(readConfig(Object.fromEntries(names.map((name, index) => [name, ' '.repeat(index)])))).toEqual(DEFAULTS);
  expect(Object.isFrozen(readConfig({}))).toBe(true);
});

it.each([
  [{ PORT: '0' }, { port: 0, rootUrl: 'http://localhost:0' }],
  [{ PORT: ' 65535 ' }, { port: 65_535 }],
  [{ HOST: '::1' }, { host: '::1' }],
  [{ CLUSTER: '64' }, { cluster: 64 }],
  [{ METRICS_PORT: '9464' }, { metricsPort: 9464 }],
  [{ METRICS_PORT: '0' }, { metricsPort: 0 }],
  [{ ROOT_URL: 'https://tc.example.com/' }, { rootUrl: 'https://tc.example.com' }],
  [{ ROOT_URL: 'http://tc.example.com:81/path//' }, { rootUrl: 'http://tc.example.com:81/path' }],
  [{ ROOT_URL: 'http://tc.example.com:81/path//' }, { issuerUrl: 'http://tc.example.com:81' }],
  [{ ROOT_URL: 'https://TC.example.com:443' }, { issuerUrl: 'https://tc.example.com' }],
  [
    { ISSUER_URL: 'HTTPS://Id.Example.com:443/', ROOT_URL: 'http://inside' },
    { issuerUrl: 'https://id.example.com', rootUrl: 'http://inside' },
  ],
  [{ ISSUER_URL: 'http://[::1]:8080' }, { issuerUrl: 'http://[::1]:8080' }],
  [{ ISSUER_URL: 'http://127.0.0.1:80/' }, { issuerUrl: 'http://127.0.0.1' }],
  [{ ISSUER_URL: 'https://id.example.com' }, { signatureAudience: 'https://id.example.com' }],
  [{ SIGNATURE_AUDIENCE: 'our builds' }, { signatureAudience: 'our builds' }],
  [{ ISSUER_URL: 'https://id.example.com:8443' }, { registryService: 'id.example.com:8443' }],
  [{ REGISTRY_SERVICE: 'registry.example.com' }, { registryService: 'registry.example.com' }],
  [{ DATA_DIR: '/somewhere/../else' }, { dataDir: path.resolve('/else') }],
  [{ DATA_DIR: '/process/dev' }, { dataDir: path.resolve('/process/dev') }],
  [{ ANONYMOUS_SCOPES: 'a**b' }, { anonymousScopes: ['a**b'] }],
  [{ DATABASE_URL: 'postgresql://u:p@h/d' }, { databaseUrl: 'postgresql://u:p@h/d' }],
  [{ AMQP_URL: 'amqp://h' }, { amqpUrl: 'amqp://h' }],
  [{ AMQP_URL: 'amqps://u:p%25@[::1]:5671/%2f?heartbeat=5' }, { amqpUrl: 'amqps://u:p%25@[::1]:5671/%2f?heartbeat=5' }],
  [{ MASTER_KEY: 'x'.repeat(32) }, { masterKey: 'x'.repeat(32) }],
  [{ STATIC_CLIENTS: '[]' }, { staticClients: [] }],
  [{ STATIC_CLIENTS: JSON.stringify([CLIENT]) }, { staticClients: [{ ...CLIENT, description: '' }] }],
  [{ ANONYMOUS_SCOPES: 'a:* b' }, { anonymousScopes: ['a:*', 'b'] }],
  [{ ANONYMOUS_SCOPES: '["a:*"]' }, { anonymousScopes: ['a:*'] }],
  [{ ANONYMOUS_SCOPES: '[]' }, { anonymousScopes: [] }],
  [{ CLAIM_TIMEOUT: '1.5' }, { claimTimeout: 1.5 }],
  [{ CREDENTIALS_GRACE: '0' }, { credentialsGrace: 0 }],
  [{ CLAIM_POLL: '28' }, { claimPoll: 28 }],
  [{ DEADLINE_DELAY: '86400' }, { deadlineDelay: 86_400 }],
  [{ SWEEP_INTERVAL: '0.05' }, { sweepInterval: 0.05 }],
  [{ REDERIVE_SCOPES: 'false' }, { rederiveScopes: false }],
  [{ REDERIVE_SCOPES: 'true' }, { rederiveScopes: true }],
  [{ MAX_TASK_DEADLINE_DAYS: '365' }, { maxTaskDeadlineDays: 365 }],
  [{ TASK_MAX_DEPENDENCIES: '0' }, { taskMaxDependencies: 0 }],
  [{ MAX_TASK_SIZE: '16384' }, { maxTaskSize: 16_384 }],
  [{ MAX_TASK_SIZE: '10485760' }, { maxTaskSize: 10_485_760 }],
  [{ EVENT_RETENTION: '60' }, { eventRetention: 60 }],
  [{ AUDIT_RETENTION: '0' }, { auditRetention: 0 }],
  [{ ARTIFACT_MAX_SIZE: '1' }, { artifactMaxSize: 1 }],
  [{ ARTIFACTS_S3_BUCKET: 'a.bucket-1' }, { s3: { bucket: 'a.bucket-1', endpoint: undefined, region: 'us-east-1' } }],
  [
    {
      ARTIFACTS_S3_BUCKET: 'bucket',
      ARTIFACTS_S3_ENDPOINT: 'http://127.0.0.1:9000/',
      ARTIFACTS_S3_REGION: 'eu-west-1',
      ARTIFACTS_S3_ACCESS_KEY_ID: 'id',
      ARTIFACTS_S3_SECRET_ACCESS_KEY: 'secret',
    },
    { s3: { bucket: 'bucket', endpoint: 'http://127.0.0.1:9000', region: 'eu-west-1', accessKeyId: 'id', secretAccessKey: 'secret' } },
  ],
  [{ LOG_LEVEL: 'silent' }, { logLevel: 'silent' }],
])('reads %j', (environment, expected) => {
  expect(readConfig(environment as Record<string, string>)).toMatchObject(expected);
});

it.each([
  ['PORT', ['x', '-1', '65536', '80.5', '1e9', '1e3', '0x50', '+80', 'Infinity'], /whole number from 0 to 65535; set one/],
  ['CLUSTER', ['0', '65', '1.5', 'max'], /whole number from 1 to 64; set one/],
  ['METRICS_PORT', ['x', '-1', '65536'], /whole number from 0 to 65535; set one/],
  ['ROOT_URL', ['tc.example.com', 'ftp://a', 'http://', 'http://a/?b', 'http://a/?', 'http://a/#b', 'http://a b'], /set one like https:/],
  [
    'ISSUER_URL',
    ['id.example.com', 'ftp://a', 'https://', 'https://a/?b', 'https://a#', 'https://a b', 'https://a\\b'],
    /is not the URL of an/,
  ],
  ['SIGNATURE_AUDIENCE', ['x'.repeat(1025)], /longer than 1024 characters; set a short name/],
  ['REGISTRY_SERVICE', ['https://a', 'a/b', 'a b', 'a"', '-a', 'ä', 'x'.repeat(256)], /is not the name of a service; set up to 255/],
  ['ISSUER_URL', ['https://a/b', 'https://a//', 'https://a/b/'], /has a path, .* set one like https:/],
  ['ISSUER_URL', ['http://a', 'http://localhost.example.com', 'http://127.0.0.1.example.com'], /is not https, .* set one like https:/],
  ['DATABASE_URL', ['mysql://a', 'localhost/db'], /set one like postgres:/],
  ['AMQP_URL', ['amqp://', 'amqp:h', 'h:5672', 'http://h', 'amqp://u:50%@h', 'amqp://h:x', 'amqp://h/%'], /set one like amqps:/],
  ['MASTER_KEY', ['x', 'x'.repeat(31)], /make one with: openssl rand/],
  [
    'ANONYMOUS_SCOPES',
    ['a"b', 'a\\b', 'é', '["a b"]', '[1]', '[', '[""]'],
    /is not (JSON|a list of scopes; set scopes separated by spaces)/,
  ],
  ['ANONYMOUS_SCOPES', ['a**', 'b a:** c', '["a**"]', '**'], /the scope [a:]*\*\* ends in \*\*; end it in one \*/],
  [
    'DATA_DIR',
    ['/proc', '/proc/data', '/sys/x', '/dev/shm/data', '/tmp/../proc/self/', '/proc/..data'],
    /is under \/proc, \/sys or \/dev, .*; set a directory on a disk/,
  ],
  ['CLAIM_TIMEOUT', ['0', '0.5', '604801', 'x', '20 min', '0x10', '1e3', '.5e2', '20.'], /number of seconds from 1 to 604800; set one/],
  ['CREDENTIALS_GRACE', ['-1', '604801'], /number of seconds from 0 to 604800; set one/],
  ['CLAIM_POLL', ['-1', '28.1', '30'], /number of seconds from 0 to 28; set one/],
  ['DEADLINE_DELAY', ['-1', '86401'], /number of seconds from 0 to 86400; set one/],
  ['AUDIT_RETENTION', ['-1', '1.5', 'for ever'], /whole number from 0 to 36500; set one/],
  ['EVENT_RETENTION', ['0', '59', 'a day'], /number of seconds from 60 to 31536000; set one/],
  ['SWEEP_INTERVAL', ['0', '601'], /number of seconds from 0.05 to 600; set one/],
  ['REDERIVE_SCOPES', ['0', 'no', 'False'], /is neither true nor false; set one of them/],
  ['MAX_TASK_DEADLINE_DAYS', ['0', '1.5', '366'], /whole number from 1 to 365; set one/],
  ['MAX_TASK_SIZE', ['0', '16383', '10485761', '1 MiB'], /whole number from 16384 to 10485760; set one/],
  ['TASK_MAX_DEPENDENCIES', ['-1', '10001', '1.5'], /whole number from 0 to 10000; set one/],
  ['ARTIFACT_MAX_SIZE', ['0', '-1', '1.5', '10G', '5497558138881'], /whole number from 1 to 5497558138880; set one/],
  ['ARTIFACTS_S3_BUCKET', ['a', 'A-bucket', 'a/b', 'a'.repeat(64), '-a-'], /set 3 to 63 lower-case letters/],
  ['ARTIFACTS_S3_ENDPOINT', ['s3.example.com', 'ftp://a', 'https://user:pass@a'], /set one like https:\/\/s3.example.com/],
  ['ARTIFACTS_S3_REGION', ['a b', 'EU', 'a'.repeat(65)], /set one like eu-central-1/],
  ['LOG_LEVEL', ['verbose', 'INFO', 'toString'], /set one of trace, debug/],
])('refuses a bad %s by name, with the fix', (name, values, fix) => {
  for (const value of values) {
    const message = refusal({ [name]: value });
    expect(message).toMatch(new RegExp(`^The configuration is not usable:\\n  ${name}: `));
    expect(message).toMatch(fix);
  }
});

it('refuses half of what an S3 needs, and shows no secret', () => {
  const bucket = { ARTIFACTS_S3_BUCKET: 'bucket' };
  for (const stray of ['ENDPOINT', 'REGION', 'ACCESS_KEY_ID', 'SECRET_ACCESS_KEY']) {
    expect(refusal({ [`ARTIFACTS_S3_${stray}`]: stray === 'ENDPOINT' ? 'http://a' : 'secret' })).toContain(
      'ARTIFACTS_S3_BUCKET: is not set',
    );
  }
  for (const half of ['ACCESS_KEY_ID', 'SECRET_ACCESS_KEY']) {
    const message = refusal({ ...bucket, [`ARTIFACTS_S3_${half}`]: 'canary' });
    expect(message).toContain('set both, or neither');
    expect(message).not.toContain('canary');
  }
  expect(refusal({ ARTIFACTS_S3_ENDPOINT: 'https://user:canary@a' })).not.toContain('canary');
});

describe('STATIC_CLIENTS', () => {
  const entry = (change: object) => JSON.stringify([CLIENT, { ...CLIENT, clientId: 'static/b', ...change }]);

  it.each([
    ['nonsense', /is not JSON/],
    ['{}', /is not a JSON array/],
    ['[1]', /entry 0: is not an object/],
    ['[null]', /entry 0: is not an object/],
    [entry({ clientId: 'a b' }), /entry 1: clientId must be a client id/],
    [entry({ clientId: undefined }), /entry 1: clientId must be/],
    [entry({ clientId: 'static/leasehold/queue' }), /entry 1: clientId static\/leasehold\/queue is the service's own; choose another/],
    [entry({ clientId: 'static/a' }), /names static\/a twice; keep one/],
    [entry({ accessToken: 'short' }), /entry 1: accessToken must be 22 to 66 .* make one with: openssl/],
    [entry({ accessToken: 'x'.repeat(67) }), /entry 1: accessToken must be/],
    [entry({ accessToken: `${TOKEN}+` }), /entry 1: accessToken must be/],
    [entry({ scopes: 'a' }), /entry 1: scopes must be an array of scopes without space/],
    [entry({ scopes: ['a b'] }), /entry 1: scopes must be/],
    [entry({ scopes: undefined }), /entry 1: scopes must be/],
    [entry({ scopes: ['a', 'b:**'] }), /entry 1: the scope b:\*\* ends in \*\*; end it in one \*/],
    [entry({ description: 1 }), /entry 1: description must be a text/],
    [entry({ expires: 'never' }), /entry 1: has unknown fields: expires/],
    ['@/nowhere/at/all', /the file \/nowhere\/at\/all cannot be read \(ENOENT\)/],
    ['@/', /the file \/ cannot be read \(EISDIR\)/],
  ])('refuses %s', (text, message) => {
    expect(refusal({ STATIC_CLIENTS: text })).toMatch(/^The configuration is not usable:\n {2}STATIC_CLIENTS: /);
    expect(refusal({ STATIC_CLIENTS: text })).toMatch(message);
  });

  it('may be in a file', () => {
    const file = path.join(directory, 'clients.json');
    writeFileSync(file, JSON.stringify([CLIENT]));
    expect(readConfig({ STATIC_CLIENTS: `@${file}` }).staticClients).toEqual([{ ...CLIENT, description: '' }]);
    writeFileSync(file, TOKEN);
    expect(refusal({ STATIC_CLIENTS: `@${file}` })).not.toContain(TOKEN);
  });
});

it.each([
  ['CLAIM_TIMOUT', 'CLAIM_TIMEOUT'],
  ['CLAIM_TIMEOUTS', 'CLAIM_TIMEOUT'],
  ['CLAIMTIMEOUT', 'CLAIM_TIMEOUT'],
  ['CLIAM_TIMEOUT', 'CLAIM_TIMEOUT'],
  ['MASTERKEY', 'MASTER_KEY'],
  ['STATIC_CLIENT', 'STATIC_CLIENTS'],
  ['ANONYMOUS_SCOPE', 'ANONYMOUS_SCOPES'],
  ['DATABASE_URI', 'DATABASE_URL'],
  ['AMQP_URI', 'AMQP_URL'],
  ['LOGLEVEL', 'LOG_LEVEL'],
])('does not overlook %s, which is %s misspelled', (name, meant) => {
  const message = refusal({ [name]: 'secret' });
  expect(message).toContain(`\n  ${name}: is no setting; did you mean ${meant}?`);
  expect(message).not.toContain('secret');
});

it('leaves the variables of others alone', () => {
  const names = [
    'HOSTNAME',
    'HOSTS',
    'PORTS',
    'TASKCLUSTER_ROOT_URL',
    'XDG_DATA_DIRS',
    'claim_timeout',
    'CLAIM_TIME',
    'SSH_PORT',
    'SMTP_URL',
  ];
  expect(readConfig(Object.fromEntries(names.map((name) => [name, 'x'])))).toEqual(DEFAULTS);
  expect(readConfig({ CLAIM_TIMOUT: ' ' })).toEqual(DEFAULTS);
});

it('names all that is wrong at once', () => {
  const message = refusal({ PORT: 'x', LOG_LEVEL: 'x', CLAIM_POLL: '99' });
  for (const name of ['PORT', 'LOG_LEVEL', 'CLAIM_POLL']) expect(message).toMatch(new RegExp(`^  ${name}: `, 'm'));
});

it('never shows a secret', () => {
  const secret = 'secret-0123456789';
  const environments: Record<string, string>[] = [
    { MASTER_KEY: secret },
    { DATABASE_URL: `mysql://user:${secret}@host` },
    { DATABASE_URL: `user:${secret}@host` },
    { AMQP_URL: `http://user:${secret}@host` },
    { AMQP_URL: `amqp://user:${secret}%@host` },
    { ROOT_URL: `https://user:${secret}@host` },
    { ROOT_URL: `https://:${secret}@host` },
    { ISSUER_URL: `https://user:${secret}@host` },
    { STATIC_CLIENTS: secret },
    { STATIC_CLIENTS: JSON.stringify(secret) },
    { STATIC_CLIENTS: `[{"clientId":"a","accessToken":"${secret}"` },
    { STATIC_CLIENTS: JSON.stringify([{ clientId: 'static/a', accessToken: `${secret} `, scopes: [] }]) },
    { STATIC_CLIENTS: JSON.stringify([{ clientId: 'static/a', accessToken: `${secret}-and-long-enough`, scopes: [1] }]) },
  ];
  for (const environment of environments) expect(refusal(environment)).not.toContain(secret);
});

describe('the kept master key', () => {
  it('is made once, for us alone, and nothing else is left', () => {
    const dataDir = path.join(directory, 'data');
    const key = keptMasterKey(dataDir);
    expect(key).toMatch(/^[\w-]{43}$/);
    expect(keptMasterKey(dataDir)).toBe(key);
    expect(readdirSync(dataDir)).toEqual(['master.key']);
    expect(statSync(path.join(dataDir, 'master.key')).mode & 0o777).toBe(0o600);
    expect(readFileSync(path.join(dataDir, 'master.key'), 'utf8')).toBe(`${key}\n`);
  });

  it('is refused, not replaced, where the file holds none', () => {
    const file = path.join(directory, 'master.key');
    writeFileSync(file, 'short');
    expect(() => keptMasterKey(directory)).toThrow(/master\.key holds no master key; restore it/);
    expect(readFileSync(file, 'utf8')).toBe('short');
  });

  it('gives keys that tell nothing of one another', () => {
    const [one, same, other] = [deriveKeys('x'.repeat(32)), deriveKeys('x'.repeat(32)), deriveKeys('y'.repeat(32))];
    expect(one).toEqual(same);
    const texts = [one, other].flatMap(({ storage, issuer, bootstrap, check }) => [
      storage.toString('base64url'),
      issuer,
      bootstrap,
      check.toString('base64url'),
    ]);
    expect(new Set(texts).size).toBe(8);
    for (const text of texts) expect(text).toHaveLength(43);
  });
});
