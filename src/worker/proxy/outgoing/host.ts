import { isIPv4, isIPv6 } from 'node:net';

/** Of a name in the DNS. */
const LONGEST_NAME = 253;
const NAME = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
/** `2130706433`, `0x7f.1` and `127.1` are 127.0.0.1 to many resolvers, so what ends like that is an address, or nothing. */
const ENDS_IN_A_NUMBER = /(^|\.)(\d+|0x[0-9a-f]*)$/;

/**
 * A host as it is compared and dialled: a name in lower case without a dot at its end, four decimal numbers, or an IPv6 address in brackets,
 * in its one shortest form. undefined: it is none, or spelled so that two programs may take it for two hosts.
 */
export function normalHost(written: string): string | undefined {
  if (isIPv4(written)) return written;
  if (written.startsWith('[')) return normalIPv6(written);
  const name = written.toLowerCase().replace(/\.$/, '');
  return name.length <= LONGEST_NAME && NAME.test(name) && !ENDS_IN_A_NUMBER.test(name) ? name : undefined;
}

/** The address in an URL's host; undefined: it is a name. */
export function literalAddress(host: string): string | undefined {
  const bare = host.replace(/^\[|\]$/g, '');
  return isIPv4(bare) || isIPv6(bare) ? bare : undefined;
}

/** Without a zone: that is an interface of the machine of the worker. */
function normalIPv6(written: string): string | undefined {
  const isOne = written.endsWith(']') && isIPv6(written.slice(1, -1)) && !written.includes('%');
  return isOne ? new URL(`http://${written}`).hostname : undefined;
}
