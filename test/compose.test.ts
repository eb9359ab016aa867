import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { load } from 'js-yaml';
import { readConfig } from '../src/service/config.js';

/*
 * No engine runs here, so what an engine would refuse is looked for by hand: every key that docker-compose.yml uses has a checker
 * below, taken from the Compose specification, and a key without a checker fails.
 */

type Check = (value: unknown, at: string) => void;

const text: Check = (value, at) => {
  if (typeof value !== 'string' || value === '') throw new Error(`${at} must be a text`);
};
const matching =
  (pattern: RegExp): Check =>
  (value, at) => {
    text(value, at);
    if (!pattern.test(value as string)) throw new Error(`${at}: ${value} is not ${pattern}`);
  };
const oneOf =
  (...known: unknown[]): Check =>
  (value, at) => {
    if (!known.includes(value)) throw new Error(`${at}: ${value} is none of ${known.join(', ')}`);
  };
const wholeNumber: Check = (value, at) => {
  if (!Number.isInteger(value) || (value as number) < 1) throw new Error(`${at} must be a whole number from 1`);
};
const listOf =
  (check: Check): Check =>
  (value, at) => {
    if (!Array.isArray(value) || value.length === 0) throw new Error(`${at} must be a list`);
    for (const [index, item] of value.entries()) check(item, `${at}[${index}]`);
  };
const mapOf =
  (check: Check, key = /^[a-zA-Z0-9._-]+$/): Check =>
  (value, at) => {
    for (const [name, item] of entriesOf(value, at)) {
      if (!key.test(name)) throw new Error(`${at}.${name}: not a name`);
      check(item, `${at}.${name}`);
    }
  };
const object =
  (keys: Record<string, Check>, required: string[] = []): Check =>
  (value, at) => {
    const given = Object.fromEntries(entriesOf(value, at));
    for (const name of required) if (!(name in given)) throw new Error(`${at} lacks ${name}`);
    for (const [name, item] of Object.entries(given)) {
      if (!Object.hasOwn(keys, name)) throw new Error(`${at}.${name} is not a key that is known here`);
      keys[name]?.(item, `${at}.${name}`);
    }
  };

function entriesOf(value: unknown, at: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${at} must be a map`);
  return Object.entries(value);
}

const duration = matching(/^(\d+(us|ms|s|m|h))+$/);
const image = matching(/^[a-z0-9]+([._/-][a-z0-9]+)*(:[\w][\w.-]{0,127})?$/);
const variable: Check = (value, at) => {
  text(value, at);
  interpolate(value as string, () => 'x');
};
const service = object({
  image,
  build: text,
  init: oneOf(true, false),
  restart: oneOf('no', 'always', 'on-failure', 'unless-stopped'),
  stop_grace_period: duration,
  deploy: object({ replicas: wholeNumber }),
  depends_on: mapOf(object({ condition: oneOf('service_started', 'service_healthy', 'service_completed_successfully') }, ['condition'])),
  environment: mapOf(variable, /^[A-Z][A-Z0-9_]*$/),
  volumes: listOf(matching(/^[^:]+:\/[^:]+(:ro)?$/)),
  ports: listOf(matching(/^(\d+\.\d+\.\d+\.\d+:)?\d+:\d+$/)),
  healthcheck: object({ test: listOf(text), interval: duration, timeout: duration, retries: wholeNumber, start_period: duration }, [
    'test',
  ]),
});
const compose = object({ name: matching(/^[a-z0-9][a-z0-9_-]*$/), services: mapOf(service), volumes: mapOf(oneOf(null)) }, ['services']);

/** `${NAME}`, `${NAME:-default}` and `${NAME:?message}`, as Compose replaces them. A lone $ is refused, as Compose does. */
function interpolate(template: string, value: (name: string) => string | undefined): string {
  const replaced = template.replace(/\$\{([A-Z][A-Z0-9_]*)(?:(:[-?])([^}]*))?\}/g, (_, name: string, kind?: string, rest = '') => {
    const given = value(name);
    if (given) return given;
    if (kind === ':-') return rest;
    throw new Error(`${name}: ${rest}`);
  });
  if (/\$(?!\$)/.test(replaced.replaceAll('$$', ''))) throw new Error(`${template} has a $ that is no variable`);
  return replaced;
}

interface Service {
  image?: string;
  build?: string;
  environment?: Record<string, string>;
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test: string[] };
  volumes?: string[];
  ports?: string[];
  deploy?: { replicas: number };
}

const SOURCE = readFileSync('docker-compose.yml', 'utf8');
const document = load(SOURCE) as { services: Record<string, Service>; volumes: Record<string, null> };
const dockerfile = readFileSync('Dockerfile', 'utf8');
const instructions = dockerfile
  .replace(/\\\n/g, ' ')
  .split('\n')
  .filter((line) => /^[A-Z]+ /.test(line));
const argumentsOf = (name: string) => instructions.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1));
const SECRETS = { POSTGRES_PASSWORD: 'abcdef123456', MASTER_KEY: 'x'.repeat(44), STATIC_CLIENTS: '[]' };

describe('docker-compose.yml', () => {
  it('is what the Compose specification allows', () => {
    const { status } = spawnSync('docker', ['compose', 'version']);
    if (status === 0) execFileSync('docker', ['compose', 'config', '--quiet'], { env: { ...process.env, ...SECRETS } });
    compose(document, 'docker-compose.yml');
    for (const planted of [{ services: { a: { imagine: 'x' } } }, { services: { a: { restart: 'maybe' } } }, { sevrices: {} }]) {
      expect(() => compose(planted, 'planted')).toThrow(/not a key|none of|lacks/);
    }
  });

  it('names only services, volumes and files that there are', () => {
    for (const [name, { depends_on = {}, volumes = [], image, build }] of Object.entries(document.services)) {
      expect(image ?? build).toBeDefined();
      if (build) expect(existsSync(path.join(build, 'Dockerfile'))).toBe(true);
      for (const [other, { condition }] of Object.entries(depends_on)) {
        expect(other).not.toBe(name);
        expect(document.services[other]).toBeDefined();
        const own = document.services[other]?.healthcheck ?? (document.services[other]?.build ? argumentsOf('HEALTHCHECK')[0] : undefined);
        if (condition === 'service_healthy') expect(own).toBeDefined();
      }
      for (const source of volumes.map((volume) => volume.split(':')[0] ?? '')) {
        expect(source.startsWith('.') ? existsSync(source) : source in document.volumes).toBe(true);
      }
    }
  });

  it('runs two replicas of one build behind a proxy that alone is reachable', () => {
    const { postgres, service, proxy } = document.services;
    expect(service).toMatchObject({ build: '.', deploy: { replicas: 2 } });
    expect([postgres?.ports, service?.ports, proxy?.ports]).toEqual([undefined, undefined, ['8080:8080']]);
    expect(postgres).toMatchObject({
      image: 'postgres:18',
      volumes: ['postgres:/var/lib/postgresql'],
      healthcheck: { test: expect.anything() },
    });
  });

  it('gives the replicas one place for the bytes of artifacts, which their user may write to', () => {
    expect(document.services.service?.volumes).toEqual(['artifacts:/data/artifacts']);
    expect(argumentsOf('RUN')).toContain('mkdir -p /data/artifacts && chown -R node:node /data');
  });

  it.each(Object.keys(SECRETS))('demands %s, and says what to do', (missing) => {
    const values = Object.values(document.services).flatMap(({ environment = {} }) => Object.values(environment));
    const given: Record<string, string> = { ...SECRETS, [missing]: '' };
    expect(() => values.map((value) => interpolate(value, (name) => given[name]))).toThrow(new RegExp(`^${missing}: (set|make)`));
  });

  it('configures the service with what it knows and accepts', () => {
    const known = new Set(
      readFileSync('src/service/config.ts', 'utf8')
        .match(/'[A-Z][A-Z_]+'/g)
        ?.map((name) => name.slice(1, -1)),
    );
    const { environment = {} } = document.services.service ?? {};
    for (const name of Object.keys(environment)) expect(known).toContain(name);
    const image = Object.fromEntries(
      argumentsOf('ENV').flatMap((line) => line.split(' ').map((pair) => pair.split('=') as [string, string])),
    );
    for (const name of Object.keys(image).filter((one) => one !== 'NODE_ENV')) expect(known).toContain(name);
    const values: Record<string, string | undefined> = SECRETS;
    const set = Object.entries(environment).map(([name, value]) => [name, interpolate(value, (one) => values[one])]);
    const config = readConfig({ ...image, ...Object.fromEntries(set) });
    expect(config).toMatchObject({ host: '0.0.0.0', port: 8080, rootUrl: 'http://localhost:8080', dataDir: '/data', staticClients: [] });
    expect(config.databaseUrl).toBe('postgres://leasehold:abcdef123456@postgres:5432/leasehold');
  });
});

describe('the proxy', () => {
  const conf = readFileSync('docs/proxy.conf', 'utf8').replace(/#.*$/gm, '');

  it('lets through what callers signed, bodies of 10 MiB and long polls', () => {
    expect(conf).toContain(`server service:${argumentsOf('EXPOSE')[0]} resolve`);
    expect(conf).toMatch(/proxy_pass http:\/\/leasehold;/); // with a URI nginx would decode the path
    expect(conf).toMatch(/proxy_set_header Host \$http_host;/);
    expect(Number(/client_max_body_size (\d+)m/.exec(conf)?.[1])).toBeGreaterThan(10);
    expect(Number(/proxy_read_timeout (\d+)s/.exec(conf)?.[1])).toBeGreaterThan(28);
    const bytes = /location \/api\/artifacts\/ \{([^}]+)\}/.exec(conf)?.[1];
    expect(bytes).toMatch(/proxy_pass http:\/\/leasehold;\s+client_max_body_size 0;\s+proxy_request_buffering off;/);
    expect(bytes).not.toContain('proxy_set_header'); // one here would undo those of the server
    expect(conf.split('{').length).toBe(conf.split('}').length);
  });
});

describe('Dockerfile', () => {
  it('copies only what there is, and what .dockerignore lets through', () => {
    const allowed = readFileSync('.dockerignore', 'utf8')
      .match(/^!.+$/gm)
      ?.map((line) => line.slice(1));
    const copied = argumentsOf('COPY')
      .filter((line) => !line.startsWith('--from='))
      .flatMap((line) => line.split(' ').slice(0, -1));
    for (const source of copied) {
      expect(existsSync(source)).toBe(true);
      expect(allowed).toContain(source);
    }
  });

  it('builds what it starts, as an ordinary user, with a health check', () => {
    const command = JSON.parse(argumentsOf('CMD').at(-1) ?? '') as string[];
    const source =
      command
        .at(-1)
        ?.replace(/^dist\//, '')
        .replace(/\.js$/, '.ts') ?? '';
    expect(existsSync(source)).toBe(true);
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(dockerfile).toContain('npm run --silent build');
    expect([scripts.build, existsSync('test/support/build.mjs')]).toEqual(['node test/support/build.mjs', true]); // into dist
    expect(scripts.start).toContain(command.join(' '));
    expect(argumentsOf('USER').at(-1)).toBe('node');
    const lines = dockerfile.slice(dockerfile.lastIndexOf('FROM '));
    expect(lines).toMatch(/HEALTHCHECK [^\n]*\\\n {2}CMD \["node", "-e", ".*__lbheartbeat__/);
    expect(argumentsOf('RUN').filter((line) => line.includes('--omit=dev'))).toHaveLength(1);
    for (const from of argumentsOf('FROM')) expect(from).toMatch(/^node:\d+-bookworm-slim( AS \w+)?$/);
  });

  it('asks a question in its health check that node understands', () => {
    const check = JSON.parse(
      /HEALTHCHECK.*?CMD (\[.*\])$/.exec(argumentsOf('HEALTHCHECK').map((line) => `HEALTHCHECK ${line}`)[0] ?? '')?.[1] ?? '',
    );
    const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-health-'));
    const { status, stderr } = spawnSync(process.execPath, check.slice(1), { env: { PORT: '1' }, cwd: directory, encoding: 'utf8' });
    rmSync(directory, { recursive: true });
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' }); // nobody answers on port 1
  });
});
