import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SetupError } from '../state/setup-error.js';
import { readWorkerConfig } from './config.js';

const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-outgoing-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const LEAST = {
  ...{ rootUrl: 'https://tasks.example.com', workerGroup: 'group', workerId: 'worker', taskQueues: ['builds/linux'], stateDir: 'state' },
  ...{ credentials: { clientId: 'worker', accessToken: 'a-token-of-nobody' }, signatures: { policy: 'off' } },
};

function read(outgoing?: unknown) {
  const file = path.join(directory, 'worker.json');
  writeFileSync(file, JSON.stringify({ ...LEAST, ...(outgoing !== undefined && { outgoing }) }));
  chmodSync(file, 0o600);
  return readWorkerConfig(file).outgoing;
}

it('knows origins in one form, with the addresses that may be dialled there: public ones, or what is said', () => {
  expect(read()).toEqual([]);
  const outgoing = [
    ...['https://PyPI.org.:443', 'https://*.Bücher.example', 'http://10.0.0.1', 'http://[0::1]:8080'],
    ...[
      { origin: 'http://mirror:8080', addresses: ['private', 'public'] },
      { origin: 'http://localhost', addresses: ['loopback'] },
    ],
  ];
  const at = (isSecure: boolean, host: string, port: number, kinds: string[], isBelow = false) => ({
    isSecure,
    host,
    port,
    kinds,
    isBelow,
  });
  expect(read(outgoing)).toEqual([
    at(true, 'pypi.org', 443, ['public']),
    at(true, 'xn--bcher-kva.example', 443, ['public'], true),
    at(false, '10.0.0.1', 80, ['private']),
    at(false, '[::1]', 8080, ['loopback']),
    at(false, 'mirror', 8080, ['private', 'public']),
    at(false, 'localhost', 80, ['loopback']),
  ]);
});

it.each<[unknown, RegExp]>([
  ['https://me:hunter2@pypi.org', /^ {2}outgoing\.0: is no origin: give scheme, host and perhaps a port, as https:\/\/pypi\.org/m],
  ['https://pypi.org/hunter2', /^ {2}outgoing\.0: is no origin: .* no user, path, query or slash behind it/m],
  ['https://pypi.org/', /^ {2}outgoing\.0: is no origin/m],
  ['https://pypi.org?hunter2', /^ {2}outgoing\.0: is no origin/m],
  ['https://pypi.org#hunter2', /^ {2}outgoing\.0: is no origin/m],
  ['https://pypi.org\\hunter2', /^ {2}outgoing\.0: is no origin/m],
  ['https://', /^ {2}outgoing\.0: is no origin/m],
  ['ftp://hunter2', /^ {2}outgoing\.0: is no origin/m],
  ['hunter2.example.com', /^ {2}outgoing\.0: is no origin/m],
  ['*', /^ {2}outgoing\.0: is no origin/m],
  [' https://pypi.org', /^ {2}outgoing\.0: is no origin/m],
  ['https://%68unter2', /^ {2}outgoing\.0: is no origin/m],
  ['https://hunter2:0', /^ {2}outgoing\.0: is no origin/m],
  ['https://hunter2.test:65536', /^ {2}outgoing\.0: has a port that is none: give one from 1/m],
  ['https://*', /^ {2}outgoing\.0: has a \* where none can be: .* as https:\/\/\*\.example\.com/m],
  ['https://hunter2.*.test', /^ {2}outgoing\.0: has a \* where none/m],
  ['https://*hunter2.test', /^ {2}outgoing\.0: has a \* where none/m],
  ['https://*.*.test', /^ {2}outgoing\.0: has a \* where none/m],
  ['https://*.hunter2', /^ {2}outgoing\.0: is too wide: name two labels/m],
  ['https://*.1.2.3.4', /^ {2}outgoing\.0: is too wide/m],
  ['https://*.[::1]', /^ {2}outgoing\.0: is too wide/m],
  ['https://hunter2..test', /^ {2}outgoing\.0: has a host that none can dial/m],
  ['http://2130706433', /^ {2}outgoing\.0: has a host that none can dial: give a name, or an address in its usual form/m],
  ['http://0x7f.1', /^ {2}outgoing\.0: has a host that none can dial/m],
  ['http://127.1', /^ {2}outgoing\.0: has a host that none can dial/m],
  ['http://[fe80::1%25eth0]', /^ {2}outgoing\.0: /m],
  ['http://0.0.0.0', /^ {2}outgoing\.0: has an address at which nothing is served/m],
  ['http://[::]', /^ {2}outgoing\.0: has an address at which nothing is served/m],
  ['http://localhost:8080', /^ {2}outgoing\.0: is this machine: say so by .*"loopback"/m],
  ['http://hunter2.LOCALHOST', /^ {2}outgoing\.0: is this machine/m],
  ['', /^ {2}outgoing\.0: must NOT have fewer than 1 char/m],
  [7, /^ {2}outgoing\.0: must be string,object \(An origin, or/m],
  [{ addresses: ['public'] }, /^ {2}outgoing\.0\.origin: is missing \(As https/m],
  [{ origin: 'https://pypi.org', adresses: [] }, /^ {2}outgoing\.0\.adresses: is no member; there are origin, addresses/m],
  [{ origin: 'https://pypi.org', addresses: [] }, /^ {2}outgoing\.0\.addresses: must NOT have fewer than 1 items/m],
  [
    { origin: 'https://pypi.org', addresses: ['special'] },
    /^ {2}outgoing\.0\.addresses\.0: must be one of public, private, loopback, link-local/m,
  ],
  [{ origin: 'https://hunter2/' }, /^ {2}outgoing\.0\.origin: is no origin/m],
  [
    { origin: 'http://10.0.0.1', addresses: ['public'] },
    /^ {2}outgoing\.0\.origin: has an address that is private: add that to its addresses/m,
  ],
])('%j is refused by its place, with the fix, and without any of it', (setting, says) => {
  expect(() => read([setting])).toThrow(SetupError);
  expect(() => read([setting])).toThrow(says);
  expect(() => read([setting])).not.toThrow(/hunter2/);
});

it('an origin that is there twice is refused, and so is what is no list', () => {
  const twice = ['https://a.test', { origin: 'HTTPS://A.test.:443' }];
  expect(() => read(twice)).toThrow(/^ {2}outgoing\.1\.origin: is there twice; leave one out/m);
  expect(() => read('https://a.test')).toThrow(/^ {2}outgoing: must be array \(Origins that steps may reach/m);
  expect(() => read(Array.from({ length: 257 }, (_, index) => `https://${index}.test`))).toThrow(
    /^ {2}outgoing: must NOT have more than 256/m,
  );
});
