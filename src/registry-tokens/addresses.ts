import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';

export const ADDRESS_KINDS = ['public', 'private', 'loopback', 'link-local', 'special'] as const;

/**
 * `link-local` is what is only reached from where one is: beside the networks of that name the services that tell a machine in a cloud its
 * credentials, wherever they are. `special` is what no server has: unspecified, multicast, reserved, for examples, and other networks' tunnels.
 */
export type AddressKind = (typeof ADDRESS_KINDS)[number];

/** Networks by kind, in the order in which they are looked for. https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-. */
const NETWORKS: readonly (readonly [AddressKind, readonly string[]])[] = [
  [
    'link-local',
    // What follows the first two is metadata: Alibaba's, Azure's, Amazon's and Google's. By their networks they would be private, or public.
    ['169.254.0.0/16', 'fe80::/10', '100.100.100.200/32', '168.63.129.16/32', 'fd00:ec2::/32', 'fd20:ce::254/128'],
  ],
  ['loopback', ['127.0.0.0/8', '::1/128']],
  ['private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7']],
  [
    'special',
    [
      ...[
        '0.0.0.0/8',
        '192.0.0.0/24',
        '192.0.2.0/24',
        '192.88.99.0/24',
        '198.18.0.0/15',
        '198.51.100.0/24',
        '203.0.113.0/24',
        '224.0.0.0/3',
      ],
      // Teredo and 6to4 hold an IPv4 address, but nobody has to be where it says: so they are special, whatever they hold.
      ...['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'],
    ],
  ],
  // All that is given out of IPv6. What is elsewhere in it is unknown to us, and so special.
  ['public', ['0.0.0.0/0', '2000::/3']],
];

const LISTS = NETWORKS.map(([kind, networks]) => [kind, blockList(networks)] as const);

/** IPv4 in IPv6: mapped, and by NAT64. What is reached is the address within. */
const CARRIERS = /^(?:::ffff:|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/** Of an IP address as systems write it. Anything else, as `0x7f.1` and `[::1]`, is special: what nobody has to read, nobody should dial. */
export function addressKind(ip: string): AddressKind {
  if (isIP(ip) === 0) return 'special';
  const [address = ''] = ip.split('%'); // a zone says by which interface, not where
  const written = isIPv6(address) ? carried(address) : address;
  const family = isIPv4(written) ? 'ipv4' : 'ipv6';
  return LISTS.find(([, list]) => list.check(written, family))?.[0] ?? 'special';
}

/**
 * Which addresses a host may have. A name may not lead to where only this machine is reached: who owns it could have our requests, and
 * whatever is sent with them, go to services that trust this machine.
 *
 * @param host as in a URL
 * @param allowed what somebody has configured for it
 */
export function dialableKinds(host: string, allowed?: readonly AddressKind[]): readonly AddressKind[] {
  if (allowed !== undefined) return allowed;
  const name = host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(name) !== 0) return [addressKind(name)];
  return /^(?:.+\.)?localhost\.?$/i.test(name) ? ['loopback'] : ['public', 'private'];
}

/** The IPv4 address within, or the same address. A URL has one spelling for each. */
function carried(ipv6: string): string {
  const canonical = new URL(`http://[${ipv6}]`).hostname.slice(1, -1);
  const [, high, low] = CARRIERS.exec(canonical) ?? [];
  if (high === undefined || low === undefined) return canonical;
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [a >> 8, a & 255, b >> 8, b & 255].join('.');
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    list.addSubnet(address, Number(bits), isIPv4(address) ? 'ipv4' : 'ipv6');
  }
  return list;
}
