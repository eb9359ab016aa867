import fc from 'fast-check';
import { addressKind, dialableKinds } from './addresses.js';

/** The first and the last address of each network, and those beside it. */
const EDGES: readonly (readonly [string, ...string[]])[] = [
  ['special', '0.0.0.0', '0.255.255.255', '192.0.0.0', '192.0.0.192', '192.0.0.255', '192.0.2.0', '192.0.2.255', '192.88.99.1'],
  ['special', '198.18.0.0', '198.19.255.255', '198.51.100.0', '198.51.100.255', '203.0.113.0', '203.0.113.255'],
  ['special', '224.0.0.0', '239.255.255.255', '240.0.0.0', '255.255.255.254', '255.255.255.255'],
  [
    'private',
    '10.0.0.0',
    '10.255.255.255',
    '172.16.0.0',
    '172.31.255.255',
    '192.168.0.0',
    '192.168.255.255',
    '100.64.0.0',
    '100.127.255.255',
  ],
  ['loopback', '127.0.0.0', '127.0.0.1', '127.0.1.1', '127.255.255.255'],
  ['link-local', '169.254.0.0', '169.254.169.254', '169.254.170.2', '169.254.255.255'],
  ['public', '1.0.0.0', '9.255.255.255', '11.0.0.0', '126.255.255.255', '128.0.0.0', '169.253.255.255', '169.255.0.0', '172.15.255.255'],
  ['public', '172.32.0.0', '100.63.255.255', '100.128.0.0', '192.0.1.0', '192.0.3.0', '192.167.255.255', '192.169.0.0', '198.17.255.255'],
  ['public', '198.20.0.0', '198.51.99.255', '198.51.101.0', '203.0.112.255', '203.0.114.0', '223.255.255.255'],
  [
    'special',
    '::',
    '::2',
    '::127.0.0.1',
    '::8.8.8.8',
    '::ffff:0:7f00:1',
    '::fffe:7f00:1',
    '64:ff9b:1::7f00:1',
    '64:ff9b:0:0:0:1:808:808',
    '100::1',
    '1fff::1',
  ],
  [
    'special',
    '2001::1',
    '2001:0:4136:e378:8000:63bf:3fff:fdd2',
    '2001:20::1',
    '2001:db8::1',
    '2001:db8:ffff::',
    '2002::',
    '2002:808:808::1',
  ],
  ['special', '3fff::1', '3fff:fff::1', '4000::', '5f00::1', 'fbff::1', 'fec0::1', 'feff::1', 'ff00::', 'ff02::1', 'ffff::'],
  ['loopback', '::1', '0:0:0:0:0:0:0:1', '0000:0000::0001'],
  ['link-local', 'fe80::1', 'fe80::1%eth0', 'febf:ffff::1'],
  ['private', 'fc00::1', 'fd00::1', 'fdff:ffff::1', 'fd00:ec1::1'],
  ['public', '2000::1', '2001:200::1', '2001:db7::1', '2001:db9::1', '2003::1', '2606:4700::1111', '3ffe::1', '3fff:1000::1'],
];

const ipv4 = fc.oneof(fc.ipV4(), fc.constantFrom(...EDGES.flatMap(([, ...all]) => all).filter((ip) => !ip.includes(':'))));

/** The two halves of an IPv4 address, as IPv6 has them. */
function inHex(ip: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = ip.split('.').map(Number);
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

describe('addressKind', () => {
  it.each(EDGES)('64: %s: %s and more', (kind, ...addresses) => {
    expect(addresses.map((ip) => [ip, addressKind(ip)])).toEqual(addresses.map((ip) => [ip, kind]));
  });

  it.each(['169.254.169.254', 'fd00:ec2::254', 'fd00:ec2::23', '100.100.100.200', '168.63.129.16', 'fd20:ce::254'])(
    '64: %s tells a machine in a cloud its credentials, and is reached by no name',
    (ip) => {
      expect(addressKind(ip)).toBe('link-local');
      expect(dialableKinds('metadata.example.com')).not.toContain('link-local');
    },
  );

  it('64: an IPv4 address is what it is, however IPv6 carries it', () => {
    fc.assert(
      fc.property(ipv4, (ip) => {
        const kind = addressKind(ip);
        const spellings = [`::ffff:${ip}`, `::FFFF:${inHex(ip)}`, `0:0:0:0:0:ffff:${inHex(ip)}`, `64:ff9b::${ip}`, `64:ff9b::${inHex(ip)}`];
        expect(spellings.map((text) => addressKind(text))).toEqual(spellings.map(() => kind));
      }),
      { numRuns: 500 },
    );
  });

  it('64: a kind does not depend on how an address is written', () => {
    fc.assert(
      fc.property(fc.ipV6(), (ip) => {
        expect(addressKind(new URL(`http://[${ip}]`).hostname.slice(1, -1))).toBe(addressKind(ip));
        expect(addressKind(ip.toUpperCase())).toBe(addressKind(ip));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    '',
    'localhost',
    '0x7f.1',
    '127.1',
    '2130706433',
    '0177.0.0.1',
    '127.0.0.1 ',
    '127.0.0.01',
    '[::1]',
    '::1::',
    '8.8.8.8%eth0%',
    '8.8.8.8/32',
    '::ffff:8.8.8',
    '1.2.3.4\n',
  ])('64: nobody dials what is not an address as systems write it: %j', (text) => {
    expect(addressKind(text)).toBe('special');
  });

  it('never throws', () => {
    const piece = fc.constantFrom(':', '::', 'ffff', '127.0.0.1', '%', '[', ']', 'g', '1', '.', '64:ff9b', '\u0000');
    fc.assert(fc.property(fc.array(piece, { maxLength: 9 }), (pieces) => typeof addressKind(pieces.join('')) === 'string'));
  });
});

describe('dialableKinds', () => {
  it.each([
    ['registry.example.com', ['public', 'private']],
    ['registry', ['public', 'private']],
    ['localhost.example.com', ['public', 'private']],
    ['localhost', ['loopback']],
    ['LOCALHOST.', ['loopback']],
    ['registry.localhost', ['loopback']],
    ['127.0.0.1', ['loopback']],
    ['[::1]', ['loopback']],
    ['::1', ['loopback']],
    ['10.1.2.3', ['private']],
    ['8.8.8.8', ['public']],
    ['[fe80::1]', ['link-local']],
  ])('64: %s may be at %j', (host, kinds) => {
    expect(dialableKinds(host)).toEqual(kinds);
  });

  it('is what somebody has configured, even nothing', () => {
    expect(dialableKinds('registry.example.com', ['loopback'])).toEqual(['loopback']);
    expect(dialableKinds('127.0.0.1', [])).toEqual([]);
  });
});
