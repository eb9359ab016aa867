import { normalScopes } from './registry-scope.js';

/** What a token may be used for, and nothing else. `text` has the session, the credential, the origin and the registry scopes in it. */
export interface TokenKey {
  readonly text: string;
  readonly origin: string;
}

export interface Token {
  /** Secret. */
  readonly text: string;
  /** Registry scopes of the requests it was asked for: of the key, or in a single context those seen so far. */
  readonly covers: readonly string[];
  /** What the token server was asked for, which a gateway may name otherwise. */
  readonly asked: readonly string[];
  /** By the monotonic clock, in milliseconds. */
  readonly usedUntil: number;
}

/** What requests of one key have shown. */
interface Known {
  origin: string;
  token?: Token;
  /** What to ask for when `covers` is needed, as a challenge had it. */
  asks?: { covers: string; scopes: readonly string[] };
  /** The registry has answered without a token. */
  isOpen?: boolean;
}

/** The tokens of one session. Of keys that are too many, the one that was used longest ago is forgotten. */
export class TokenCache {
  readonly #known = new Map<string, Known>();
  #isWiped = false;

  constructor(
    private readonly most: number,
    /** Milliseconds, monotonic. */
    private readonly now: () => number,
  ) {}

  get size(): number {
    return this.#known.size;
  }

  /** One that covers these registry scopes and is not at its end. */
  tokenFor(key: TokenKey, covers: readonly string[]): Token | undefined {
    const known = this.#used(key);
    if (!known?.token) return undefined;
    if (known.token.usedUntil <= this.now()) known.token = undefined;
    return known.token && includes(known.token.covers, covers) ? known.token : undefined;
  }

  /** What the last token covered, be it at its end. */
  coveredBy(key: TokenKey): readonly string[] {
    return this.#known.get(key.text)?.token?.covers ?? [];
  }

  asksFor(key: TokenKey, covers: readonly string[]): readonly string[] | undefined {
    const asks = this.#used(key)?.asks;
    return asks?.covers === covers.join(' ') ? asks.scopes : undefined;
  }

  /** The tokens themselves. */
  secrets(): readonly string[] {
    return [...this.#known.values()].flatMap(({ token }) => token?.text ?? []);
  }

  isOpen(key: TokenKey): boolean {
    return this.#used(key)?.isOpen === true;
  }

  keep(key: TokenKey, token: Token): void {
    if (token.usedUntil > this.now()) this.#learn(key, { token });
  }

  learnAsks(key: TokenKey, covers: readonly string[], scopes: readonly string[]): void {
    this.#learn(key, { asks: { covers: covers.join(' '), scopes }, isOpen: false });
  }

  learnOpen(key: TokenKey): void {
    this.#learn(key, { isOpen: true });
  }

  /** That token, but none that has taken its place. */
  drop(key: TokenKey, token: Token): void {
    const known = this.#known.get(key.text);
    if (known?.token === token) known.token = undefined;
  }

  dropAllOf(origin: string): void {
    for (const [key, known] of this.#known) if (known.origin === origin) this.#known.delete(key);
  }

  /** For good: what comes later is not kept. */
  wipe(): void {
    this.#isWiped = true;
    this.#known.clear();
  }

  #used(key: TokenKey): Known | undefined {
    const known = this.#known.get(key.text);
    if (known) {
      this.#known.delete(key.text); // a Map is in the order of its insertions
      this.#known.set(key.text, known);
    }
    return known;
  }

  #learn(key: TokenKey, what: Partial<Known>): void {
    if (this.#isWiped) return;
    const known = this.#used(key);
    if (known) Object.assign(known, what);
    else this.#known.set(key.text, { origin: key.origin, ...what });
    if (this.#known.size <= this.most) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}

function includes(all: readonly string[], some: readonly string[]): boolean {
  const names = all.join(' ');
  return names === some.join(' ') || normalScopes([...all, ...some]).join(' ') === names;
}
