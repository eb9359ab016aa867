/** Most characters of one header, and most headers, challenges in one, and parameters of one challenge, that are read. */
const MAX_LENGTH = 8192;
const MAX_COUNT = 32;

/** What a registry wants to be sent (RFC 9110 §11.6.1), as far as registries use it. Nothing of it is trusted. */
export type Challenge =
  | { scheme: 'bearer'; realm: string; service?: string; scope?: string; error?: string }
  | { scheme: 'basic'; realm?: string };

/** One challenge of any scheme; names are in lower case. */
interface AnyChallenge {
  scheme: string;
  parameters: ReadonlyMap<string, string>;
}

/** Each is tried at one place and takes at least one character or fails, and no two parts of one can match the same: so no input is slow. */
const TOKEN = /[!#$%&'*+.^_`|~\w-]+/y;
const SPACES = /[ \t]+/y;
const BETWEEN = /[ \t]*(?:,[ \t,]*|$)/y;
const TOKEN68 = /[\w.~+/-]+=*(?=[ \t]*(?:,|$))/y;
const EQUALS = /[ \t]*=[ \t]*/y;
const QUOTED = /"((?:[\t !#-[\]-~\x80-\u{10ffff}]|\\[\t -~\x80-\u{10ffff}])*)"/uy;
/** More than a token: some registries leave the quotes away from a URL. */
const BARE = /[!#-+\--:<-[\]-~]+/y;

/** What a URL, a service and a list of scopes are made of. A line of ours could end in anything else. */
const PRINTABLE = /^[ -~]+$/;

/**
 * Reads WWW-Authenticate headers, each as it came or several joined by commas. Of a header that is malformed, or says something twice, nothing
 * is believed: who reads the first of two realms and who reads the second would ask different servers. Bearer without a realm and schemes
 * that registries do not use are left out.
 */
export function parseChallenges(headers: readonly string[]): readonly Challenge[] {
  return headers.slice(0, MAX_COUNT).flatMap((header) => {
    const challenges = header.length <= MAX_LENGTH ? readHeader(header) : undefined;
    const known = challenges?.flatMap((challenge) => knownChallenge(challenge) ?? []);
    return known?.every((challenge) => Object.values(challenge).every((value) => PRINTABLE.test(value))) ? known : [];
  });
}

function knownChallenge({ scheme, parameters }: AnyChallenge): Challenge | undefined {
  const said = (name: string) => {
    const value = parameters.get(name);
    return value === undefined || value === '' ? {} : { [name]: value };
  };
  if (scheme === 'basic') return { scheme, ...said('realm') };
  const realm = parameters.get('realm');
  if (scheme !== 'bearer' || realm === undefined || realm === '') return undefined;
  return { scheme, realm, ...said('service'), ...said('scope'), ...said('error') };
}

/** Walks along a header: `take` is what the pattern matches here, and steps over it. */
class Reader {
  #at = 0;

  constructor(private readonly text: string) {}

  get isAtEnd(): boolean {
    return this.#at === this.text.length;
  }

  take(pattern: RegExp): string | undefined {
    const at = this.#at;
    pattern.lastIndex = at;
    const [whole, part] = pattern.exec(this.text) ?? [];
    if (whole === undefined) return undefined;
    this.#at = at + whole.length;
    return part ?? whole;
  }

  /** Both, or neither. */
  takeBoth(first: RegExp, second: RegExp): string | undefined {
    const at = this.#at;
    const taken = this.take(first);
    if (taken !== undefined && this.take(second) !== undefined) return taken;
    this.#at = at;
    return undefined;
  }
}

/** Its challenges in order; undefined if it is malformed. */
function readHeader(header: string): AnyChallenge[] | undefined {
  const reader = new Reader(header);
  const challenges: AnyChallenge[] = [];
  reader.take(/[ \t,]*/y);
  while (!reader.isAtEnd) {
    const challenge = readChallenge(reader);
    if (challenge === undefined || challenges.push(challenge) > MAX_COUNT) return undefined;
  }
  return challenges;
}

/** One challenge, and the comma behind it. */
function readChallenge(reader: Reader): AnyChallenge | undefined {
  const scheme = reader.take(TOKEN)?.toLowerCase();
  if (scheme === undefined) return undefined;
  const none: AnyChallenge = { scheme, parameters: new Map() };
  if (reader.take(BETWEEN) !== undefined) return none;
  if (reader.take(SPACES) === undefined) return undefined;
  if (reader.take(TOKEN68) !== undefined) return reader.take(BETWEEN) === undefined ? undefined : none;
  const parameters = readParameters(reader);
  return parameters && { scheme, parameters };
}

/** Up to what is no parameter any more: a token without `=` behind it is the scheme of the next challenge. */
function readParameters(reader: Reader): Map<string, string> | undefined {
  const parameters = new Map<string, string>();
  for (let name = reader.takeBoth(TOKEN, EQUALS); name !== undefined; name = reader.takeBoth(TOKEN, EQUALS)) {
    const value = readValue(reader);
    const isNew = !parameters.has(name.toLowerCase());
    if (value === undefined || !isNew || reader.take(BETWEEN) === undefined || parameters.size === MAX_COUNT) return undefined;
    parameters.set(name.toLowerCase(), value);
  }
  return parameters.size > 0 ? parameters : undefined;
}

function readValue(reader: Reader): string | undefined {
  return reader.take(QUOTED)?.replaceAll(/\\(.)/gsu, '$1') ?? reader.take(BARE);
}
