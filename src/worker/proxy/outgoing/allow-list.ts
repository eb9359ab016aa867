import { type AllowedOrigin, writtenOrigin } from './allowed-origin.js';
import { originOf, type Target } from './target.js';

/** Where steps may lead, and nowhere else. */
export class AllowList {
  /** For people. */
  readonly names: readonly string[];
  /** By their origins, but for those with a wildcard. */
  readonly #exact: ReadonlyMap<string, AllowedOrigin>;
  /** The longest names first: what is said of a part of a domain counts before what is said of all of it. */
  readonly #below: readonly AllowedOrigin[];

  constructor(origins: readonly AllowedOrigin[]) {
    this.names = origins.map(writtenOrigin);
    this.#exact = new Map(origins.filter(({ isBelow }) => !isBelow).map((origin) => [originOf(origin), origin]));
    this.#below = origins.filter(({ isBelow }) => isBelow).sort((one, other) => other.host.length - one.host.length);
  }

  /** What is said of that very origin, and not by a wildcard. */
  exactly(target: Target): AllowedOrigin | undefined {
    return this.#exact.get(originOf(target));
  }

  find(target: Target): AllowedOrigin | undefined {
    return this.exactly(target) ?? this.#below.find((allowed) => isBelow(target, allowed));
  }
}

/** The dot is a part of it: `evilpypi.org` is not below `pypi.org`. */
function isBelow(target: Target, { isSecure, host, port }: AllowedOrigin): boolean {
  return target.isSecure === isSecure && target.port === port && target.host.endsWith(`.${host}`);
}
