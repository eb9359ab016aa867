import { chmodSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { listeningAddresses } from '../sandbox/port/proxy-names.js';
import { SetupError } from '../state/setup-error.js';
import { readWorkerConfig } from './config.js';
import { credentialFor, plainHost, registryNames, registrySecrets } from './registries.js';

const directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'leasehold-registries-')));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function put(name: string, text: string, mode = 0o600): string {
  const file = path.join(directory, name);
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

const LEAST = {
  rootUrl: 'https://tasks.example.com/',
  credentials: { clientId: 'worker', accessToken: 'hunter2-hunter2' },
  ...{ workerGroup: 'group', workerId: 'worker', taskQueues: ['builds/linux'], stateDir: 'state' },
  signatures: { policy: 'off' },
};
const origin = 'https://registry.example.com';
const read = (...registries: unknown[]) => readWorkerConfig(put('worker.json', JSON.stringify({ ...LEAST, registries }))).registries;

it('no registries unless some are given, and each is anonymous, of its own host and believes nobody else unless told otherwise', () => {
  expect(readWorkerConfig(put('worker.json', JSON.stringify(LEAST))).registries).toEqual([]);
  expect(read({ origin: `${origin}:443/` })).toEqual([
    {
      ...{ name: 'registry.example.com', origin, credentials: [{ prefix: '', credential: 'none' }] },
      ...{ trustedRealms: [], redirects: [], widen: false },
    },
  ]);
});

it('the realm of "run" is that of rootUrl', () => {
  expect(read({ origin, credentials: 'run', service: 'ours' })).toMatchObject([
    { realm: 'https://tasks.example.com/registry/token', service: 'ours', credentials: [{ credential: 'run' }] },
  ]);
});

it('passwords, identity tokens and certificates are read from files; all secrets are known, to be kept out of logs', () => {
  put('password', 'a password\n');
  put('identity', 'an identity token');
  put('ca.pem', 'certificates', 0o644);
  const registries = read(
    { origin, credentials: { username: 'a', passwordFile: 'password' }, ca: 'ca.pem' },
    {
      ...{ name: 'OTHER.example:5000', origin: 'http://10.0.0.1:5000' },
      credentials: [
        { prefix: '', credentials: 'none' },
        { prefix: 'team', credentials: { identityTokenFile: 'identity' } },
        { prefix: 'team/app', credentials: { username: 'b', password: 'another one' } },
      ],
    },
  );
  expect(registries[0]).toMatchObject({
    credentials: [{ credential: { kind: 'basic', username: 'a', password: 'a password' } }],
    ca: 'certificates',
  });
  expect(registryNames(registries)).toEqual(['registry.example.com', 'other.example:5000']);
  expect(registrySecrets(registries)).toEqual(['a password', 'an identity token', 'another one']);
  const as = (repository: string) => credentialFor(registries[1]!, repository);
  expect([as(''), as('teams/x'), as('team'), as('team/apps'), as('team/app/x')]).toEqual([
    ...['none', 'none'],
    ...[
      { kind: 'refresh', token: 'an identity token' },
      { kind: 'refresh', token: 'an identity token' },
    ],
    { kind: 'basic', username: 'b', password: 'another one' },
  ]);
});

it('what no prefix covers is asked for as anybody', () => {
  const [registry] = read({ origin, credentials: [{ prefix: 'team', credentials: { username: 'b', password: 'hunter2' } }] });
  expect(credentialFor(registry!, 'other/app')).toBe('none');
});

it('a host has no port where that is one of its scheme', () => {
  expect(['A.b', 'a.b:80', 'a.b:443', 'a.b:8080', '[::1]:80'].map(plainHost)).toEqual(['a.b', 'a.b', 'a.b', 'a.b:8080', '[::1]']);
});

it('a name that is taken is one that steps can have a port for', () => {
  for (const name of ['a', 'a-b.c:65535', '127.0.0.1:35000', '[::1]:9', '10.0.0.1', 'localhost:5000', 'xn--bcher-kva.example'])
    expect(() => listeningAddresses(registryNames(read({ origin, name })))).not.toThrow();
});

const run = 'run';
const basic = { username: 'a', password: 'hunter2' };
it.each<[string, object, RegExp]>([
  ['no origin', { origin: undefined }, /^ {2}registries\.0\.origin: is missing \(Where it is/m],
  ['a misspelt member', { orgin: 'hunter2' }, /^ {2}registries\.0\.orgin: is no member; there are name, origin/m],
  ['an origin of another scheme', { origin: 'ftp://hunter2.example' }, /^ {2}registries\.0\.origin: must match \^https\?/m],
  ['an origin with a path', { origin: `${origin}/hunter2` }, /^ {2}registries\.0\.origin: must be http or https: a scheme, a host/m],
  ['an origin with a user', { origin: 'https://a:hunter2@b.example' }, /^ {2}registries\.0\.origin: must be/m],
  ['an origin with an empty query', { origin: `${origin}/?` }, /^ {2}registries\.0\.origin: must be/m],
  ['a name that is no host', { name: 'hunter2 example' }, /^ {2}registries\.0\.name: must be a host, in lower case/m],
  ['a name with a path', { name: 'hunter2.example/x' }, /^ {2}registries\.0\.name: must be a host/m],
  ['a name with a port that there is not', { name: 'registry.example.com:65536' }, /^ {2}registries\.0\.name: must be a host/m],
  ['a name with the port 0', { name: 'registry.example.com:0' }, /^ {2}registries\.0\.name: must be a host/m],
  ['a name with a port in another spelling', { name: 'registry.example.com:05000' }, /^ {2}registries\.0\.name: must be a host/m],
  ['a name that is no address', { name: '[::1::]' }, /^ {2}registries\.0\.name: must be a host/m],
  ['a name that is an address in another spelling', { name: '127.1:5000' }, /^ {2}registries\.0\.name: must be a host/m],
  ['a name of the proxy itself', { name: 'taskcluster:80' }, /^ {2}registries\.0\.name: is what steps call the proxy itself by/m],
  [
    'credentials that are none',
    { credentials: 'hunter2' },
    /^ {2}registries\.0\.credentials: give one of "run", "none", username .*, identityTokenFile, a list/m,
  ],
  ['a user without a password', { credentials: { username: 'hunter2' } }, /^ {2}registries\.0\.credentials: give one of/m],
  ['two passwords', { credentials: { ...basic, passwordFile: 'x' } }, /^ {2}registries\.0\.credentials: give one of/m],
  ['a user with a colon', { credentials: { ...basic, username: 'a:hunter2' } }, /^ {2}registries\.0\.credentials: give one of/m],
  ['no credentials in a list', { credentials: [] }, /^ {2}registries\.0\.credentials: give one of/m],
  [
    'a prefix that ends in a slash',
    { credentials: [{ prefix: 'hunter2/', credentials: run }] },
    /^ {2}registries\.0\.credentials: give one of/m,
  ],
  [
    'a prefix twice',
    {
      credentials: [
        { prefix: 'a', credentials: basic },
        { prefix: 'a', credentials: 'none' },
      ],
    },
    /^ {2}registries\.0\.credentials: has one prefix twice; give each just one/m,
  ],
  [
    'the run beside an operator',
    {
      credentials: [
        { prefix: 'a', credentials: basic },
        { prefix: 'b', credentials: run },
      ],
    },
    /^ {2}registries\.0\.credentials: has "run" beside those of another token server/m,
  ],
  [
    'a realm for the run',
    { credentials: run, realm: 'https://hunter2.example' },
    /^ {2}registries\.0\.realm: is that of rootUrl where credentials are "run"; leave it out/m,
  ],
  ['a realm that is no URL', { realm: 'https://' }, /^ {2}registries\.0\.realm: must be a URL without user/m],
  ['a realm with a query', { realm: 'https://a.example/t?hunter2' }, /^ {2}registries\.0\.realm: must be a URL without user/m],
  ['a plain realm of a secure registry', { realm: 'http://hunter2.example' }, /^ {2}registries\.0\.realm: .* https if the registry is/m],
  ['a trusted realm with a path', { trustedRealms: ['https://a.example/hunter2'] }, /^ {2}registries\.0\.trustedRealms\.0: must be/m],
  [
    'a plain trusted realm',
    { trustedRealms: ['http://hunter2.example'] },
    /^ {2}registries\.0\.trustedRealms\.0: must be https, as the registry is/m,
  ],
  ['a plain redirect', { redirects: ['http://hunter2.example'] }, /^ {2}registries\.0\.redirects\.0: must be https, as the registry is/m],
  [
    'an address that there is not',
    { addresses: ['hunter2'] },
    /^ {2}registries\.0\.addresses\.0: must be one of public, private, loopback/m,
  ],
  ['a rewrite of nothing', { rewrites: [{ requested: 'hunter2' }] }, /^ {2}registries\.0\.rewrites\.0\.challenged: is missing/m],
])('%s is refused by its name, with the fix, and without any value', (_, members, says) => {
  const registry = JSON.parse(JSON.stringify({ origin, ...members }));
  expect(() => read(registry)).toThrow(SetupError);
  expect(() => read(registry)).toThrow(says);
  expect(() => read(registry)).not.toThrow(/hunter2/);
});

it('two registries of one name, or of one origin, are refused', () => {
  const other = 'https://other.example';
  expect(() => read({ origin }, { origin: other, name: 'registry.example.com:443' })).toThrow(
    /registries\.1\.name: is the name of another registry/,
  );
  expect(() => read({ origin }, { origin: `${origin}:443`, name: 'b.example' })).toThrow(
    /registries\.0\.origin: is that of another registry/,
  );
});

it('(56) a secret that others can read, or that could not be kept out of logs, is refused', () => {
  put('open', 'a password', 0o640);
  put('short', 'horse');
  const reading = (passwordFile: string) => () => read({ origin, credentials: { username: 'a', passwordFile } });
  expect(reading('open')).toThrow(/registries\.0\.credentials\.passwordFile: .*open can be read by others/);
  expect(reading('short')).toThrow(/registries\.0\.credentials\.passwordFile: has fewer than 6 bytes/);
  expect(reading('nowhere')).toThrow(/registries\.0\.credentials\.passwordFile: .*nowhere is not there/);
  expect(() => read({ origin, credentials: [{ prefix: '', credentials: { identityTokenFile: 'short' } }] })).toThrow(
    /registries\.0\.credentials\.0\.credentials\.identityTokenFile: has fewer/,
  );
  expect(() => read({ origin, ca: 'nowhere' })).toThrow(/registries\.0\.ca: .*nowhere is not there/);
});
