import { domainToASCII } from 'node:url';
import { ADDRESS_KINDS, type AddressKind, addressKind } from '../../../registry-tokens/addresses.js';
import { SetupError } from '../../state/setup-error.js';
import { literalAddress, normalHost } from './host.js';
import { originOf, type Target } from './target.js';

/** What an operator may allow: nothing is served at the rest. */
export const REACHABLE_KINDS: readonly AddressKind[] = ADDRESS_KINDS.filter((kind) => kind !== 'special');

/** As the configuration has it. */
export type OutgoingSetting = string | { origin: string; addresses?: readonly AddressKind[] };

/** Where steps may lead. */
export interface AllowedOrigin extends Target {
  /** The names below the host, by one label or more, and not the host itself. */
  isBelow: boolean;
  /** Which addresses may be dialled there, whatever the DNS says. */
  kinds: readonly AddressKind[];
}

const ORIGIN = /^(https?):\/\/(\*\.)?(\[[^\]/?#@]*\]|[^:/?#@\\\s%[\]]+)(?::([1-9][0-9]{0,4}))?$/i;
const HIGHEST_PORT = 65_535;

/** @throws SetupError that says what is wrong and the fix, and repeats none of it: somebody may have put a password there */
export function allowedOrigin(setting: OutgoingSetting): AllowedOrigin {
  const { origin, addresses } = typeof setting === 'string' ? { origin: setting, addresses: undefined } : setting;
  const [, scheme, wildcard, written = '', digits] = ORIGIN.exec(origin) ?? [];
  if (scheme === undefined)
    throw new SetupError(
      'is no origin: give scheme, host and perhaps a port, as https://pypi.org, and no user, path, query or slash behind it',
    );
  const isSecure = scheme.toLowerCase() === 'https';
  const port = Number(digits ?? (isSecure ? 443 : 80));
  if (port > HIGHEST_PORT) throw new SetupError(`has a port that is none: give one from 1 to ${HIGHEST_PORT}`);
  const host = hostOf(written);
  const isBelow = wildcard !== undefined;
  if (isBelow && (literalAddress(host) !== undefined || !host.includes('.')))
    throw new SetupError('is too wide: name two labels at least after the *, as https://*.example.com');
  return { isSecure, host, port, isBelow, kinds: kindsOf(host, addresses) };
}

/** As an operator would write it. */
export function writtenOrigin(allowed: AllowedOrigin): string {
  return allowed.isBelow ? originOf(allowed).replace('://', '://*.') : originOf(allowed);
}

function hostOf(written: string): string {
  const host = normalHost(written.startsWith('[') ? written : domainToASCII(written));
  const isRespelt = host !== undefined && !host.startsWith('[') && literalAddress(host) !== undefined && host !== written; // 0x7f.1
  if (host !== undefined && !isRespelt) return host;
  if (written.includes('*'))
    throw new SetupError('has a * where none can be: it stands for the first labels of a name, as https://*.example.com');
  throw new SetupError('has a host that none can dial: give a name, or an address in its usual form');
}

function kindsOf(host: string, addresses?: readonly AddressKind[]): readonly AddressKind[] {
  const literal = literalAddress(host);
  if (literal !== undefined) return [kindOf(literal, addresses)];
  if (addresses === undefined && /(^|\.)localhost$/.test(host))
    throw new SetupError('is this machine: say so by {"origin": …, "addresses": ["loopback"]}');
  return addresses ?? ['public'];
}

function kindOf(literal: string, addresses?: readonly AddressKind[]): AddressKind {
  const kind = addressKind(literal);
  if (kind === 'special') throw new SetupError('has an address at which nothing is served: give that of a server');
  if (addresses === undefined || addresses.includes(kind)) return kind;
  throw new SetupError(`has an address that is ${kind}: add that to its addresses, or leave them out`);
}
