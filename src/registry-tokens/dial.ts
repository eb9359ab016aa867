import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { type AddressKind, addressKind } from './addresses.js';
import { RegistryAuthError } from './attempt.js';

/** For `request` of node:http and node:https. */
export interface DialOptions {
  /** Without the brackets of an IPv6 address. */
  host: string;
  port: number;
  /** For https: the name that the certificate must be for, whatever the Host header says. '' with an address, which has no such name. */
  servername?: string;
  lookup: LookupFunction;
}

/**
 * Where to connect for a URL, with every address looked at in the same moment in which it is dialled: a name that led elsewhere when it was
 * asked before changes nothing. If one address of a name is refused, all are: who owns a name that leads to us as well means no good.
 *
 * Agents keep connections by host and port, and do not look at `lookup`: what is allowed different kinds of addresses needs agents of its own.
 *
 * @throws RegistryAuthError `address-refused` at once for an address in the URL; of a name the request ends with that error
 */
export function dialOptions(url: URL, kinds: readonly AddressKind[], resolve: typeof lookup = lookup): DialOptions {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const isSecure = url.protocol === 'https:';
  if (isIP(host) !== 0) {
    const refusal = refusalOf(host, [host], kinds);
    if (refusal !== undefined) throw refusal;
  }
  return {
    host,
    port: url.port === '' ? (isSecure ? 443 : 80) : Number(url.port),
    ...(isSecure && { servername: isIP(host) === 0 ? host.replace(/\.$/, '') : '' }),
    lookup: checkedLookup(kinds, resolve),
  };
}

/** Asks for all addresses, since each may be dialled, and hands over what was asked for. */
function checkedLookup(kinds: readonly AddressKind[], resolve: typeof lookup): LookupFunction {
  return (hostname, options: LookupOptions, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses: readonly LookupAddress[]) => {
      const found = addresses?.map(({ address }) => address) ?? [];
      const refusal = error ?? refusalOf(hostname, found, kinds);
      const [first] = refusal ? [] : addresses;
      if (first === undefined) return callback(refusal ?? noAddress(hostname), []);
      return options.all ? callback(null, [...addresses]) : callback(null, first.address, first.family);
    });
  };
}

/** It says of which kind an address is and not which one: what is behind our resolver is not everybody's to know. */
function refusalOf(host: string, addresses: readonly string[], kinds: readonly AddressKind[]): RegistryAuthError | undefined {
  const kind = addresses.map((address) => addressKind(address)).find((found) => !kinds.includes(found));
  if (kind === undefined) return undefined;
  const allowed = kinds.length > 0 ? kinds.join(' and ') : 'no';
  return new RegistryAuthError('address-refused', `${host} has a ${kind} address. For this registry ${allowed} addresses are dialled.`);
}

function noAddress(host: string): RegistryAuthError {
  return new RegistryAuthError('address-refused', `${host} has no address.`);
}
