import { type Attempt, RegistryAuthError } from './attempt.js';
import {
  hasNoPassword,
  hasNotSaid,
  refusesPassword,
  saysNothing,
  tokenLacksIt,
  turnedToPasswords,
  whatIsForbidden,
} from './explanations.js';
import type { Lead } from './gate.js';
import type { Inquiry, Question } from './inquiry.js';
import type { BearerChallenge } from './known-registry.js';
import { isSame, narrowerScopes } from './narrower-scopes.js';
import { authorizationOf, NO_PROOF, type Proof, type Proofs } from './proofs.js';
import { withoutSecret } from './quoting.js';
import { type RegistryRefusal, registryRefusal } from './registry-refusal.js';
import type { RequestNeeds } from './request-needs.js';
import type { SessionEvent } from './session-event.js';
import type { Token, TokenCache } from './token-cache.js';
import type { TokenSource } from './token-source.js';

/** What an attempt uses of its session. */
export interface AttemptParts {
  tokens: TokenSource;
  proofs: Proofs;
  cache: TokenCache;
  inquiry: Inquiry;
  tell: (event: Omit<SessionEvent, 'id'>) => void;
  /** @throws RegistryAuthError `released` */
  assertHeld: () => void;
}

export interface Sending {
  needs: RequestNeeds;
  proof: Proof;
  parts: AttemptParts;
  /** Of those who need the same. */
  lead?: Lead;
  /** For all that begin at the same registry. */
  question?: Question;
  /** What it was sent with before. */
  before?: Proof;
}

/** A sending of a request that needs something. What is secret of it is not among its properties, so that it is not printed with it. */
export class RequestAttempt implements Attempt {
  readonly #needs: RequestNeeds;
  readonly #proof: Proof;
  readonly #parts: AttemptParts;
  readonly #lead?: Lead;
  readonly #question?: Question;
  readonly #before?: Proof;
  #explained?: string;
  #lacks?: readonly string[];

  constructor({ needs, proof, parts, lead, question, before }: Sending) {
    this.#needs = needs;
    this.#proof = proof;
    this.#parts = parts;
    this.#lead = lead;
    this.#question = question;
    this.#before = before;
  }

  get authorization(): string | undefined {
    return authorizationOf(this.#proof, this.#needs);
  }

  get explained(): string | undefined {
    return this.#explained;
  }

  get lacking(): readonly string[] | undefined {
    return this.#lacks;
  }

  async answered(status: number, challenges: readonly string[], signal?: AbortSignal): Promise<Attempt | undefined> {
    try {
      this.#parts.assertHeld();
      const next = await this.#next(status, challenges, signal);
      this.#lead?.open();
      return next && new RequestAttempt({ needs: this.#needs, proof: next, parts: this.#parts, before: this.#proof });
    } catch (error) {
      return this.#ended(error);
    } finally {
      this.#question?.over();
    }
  }

  abandoned(): void {
    this.#lead?.handOver();
    this.#question?.over();
  }

  async #next(status: number, challenges: readonly string[], signal?: AbortSignal): Promise<Proof | undefined> {
    const refusal = registryRefusal(status, challenges);
    if (refusal) return this.#before ? this.#concluded(refusal, this.#before) : this.#again(refusal, signal);
    const unasked = this.#mayBeHidden(status) ? await this.#unasked(signal) : undefined;
    return unasked ?? this.#final(status);
  }

  /** Some say of what is not for everybody that there is none, or forbid it, instead of asking who wants it. */
  #mayBeHidden(status: number): boolean {
    const { credential, key, registry } = this.#needs;
    const isBare = this.#proof.kind === 'none' && this.#before === undefined && credential !== undefined;
    const isOpen = this.#parts.cache.isOpen(key) || (registry.hasSaid && registry.scheme === 'open');
    return (status === 403 || status === 404) && isBare && !isOpen;
  }

  /** With what it has not asked for here, if it says elsewhere that it wants something. */
  async #unasked(signal?: AbortSignal): Promise<Proof | undefined> {
    const { inquiry, proofs } = this.#parts;
    if (!this.#needs.registry.hasSaid) await inquiry.ping(this.#needs.registry, signal);
    this.#question?.over(); // others need not wait for a token of this one
    const proof = await proofs.obtain(this.#needs, signal);
    return proof?.kind === 'none' ? undefined : proof;
  }

  #final(status: number): undefined {
    const { registry, key, credential } = this.#needs;
    const isServed = status < 400 || (status === 404 && (registry.hasSaid || !credential));
    if (isServed && this.#proof.kind === 'none') {
      this.#parts.cache.learnOpen(key);
      registry.learnOpen();
    }
    if (isServed && this.#proof.kind === 'bearer') registry.learnProven();
    if (status === 429 || status >= 500) this.#lead?.handOver(); // it says nothing of what the others need
    if (status === 403) this.#refused(whatIsForbidden(this.#needs));
  }

  /** Once more, by a token that has come meanwhile, or by one that is asked for now. */
  async #again({ bearer, wantsBasic }: RegistryRefusal, signal?: AbortSignal): Promise<Proof | undefined> {
    const newer = this.#parts.tokens.atHand(this.#needs);
    if (newer && !(this.#proof.kind === 'bearer' && this.#proof.token === newer)) return { kind: 'bearer', token: newer };
    if (bearer) return this.#byToken(bearer, signal);
    if (wantsBasic) return this.#byPassword(signal);
    return this.#refused(saysNothing(this.#needs));
  }

  async #byToken(challenge: BearerChallenge, signal?: AbortSignal): Promise<Proof | undefined> {
    const { tokens, cache } = this.#parts;
    const asks = tokens.asksAfter(this.#needs, challenge);
    this.#question?.over(); // others need not wait for the token of this one
    if (this.#proof.kind === 'bearer') {
      const { token } = this.#proof;
      if (challenge.error === 'insufficient_scope' && isSame(token.asked, asks)) return this.#lacking(token);
      if (challenge.error !== 'insufficient_scope') cache.drop(this.#needs.key, token);
    }
    const token = await tokens.fetch(this.#needs, asks, narrowerScopes(this.#needs, challenge.scope ?? '', asks), signal);
    return { kind: 'bearer', token };
  }

  /**
   * Some say `Basic` to a token that does not do: without it, they say what they want. A password goes to none that has asked for tokens;
   * and before it goes to anybody, the registry itself is to say what it wants: what is behind one repository of a gateway may be a stranger's.
   */
  async #byPassword(signal?: AbortSignal): Promise<Proof | undefined> {
    const { registry, credential } = this.#needs;
    if (this.#proof.kind === 'bearer') return NO_PROOF;
    if (this.#proof.kind === 'basic') return this.#refused(refusesPassword(this.#needs));
    const unasked = registry.hasSaid ? undefined : await this.#unasked(signal);
    if (unasked) return unasked;
    if (!registry.hasSaid) return this.#refused(hasNotSaid(this.#needs));
    if (!registry.wantsBasic()) return this.#refused(turnedToPasswords(this.#needs));
    if (credential?.kind !== 'basic') return this.#refused(hasNoPassword(this.#needs));
    return { kind: 'basic' };
  }

  /** A request is not sent three times; but what the answer says of the next one is learned. */
  #concluded({ bearer, wantsBasic }: RegistryRefusal, before: Proof): undefined {
    const { cache, tokens } = this.#parts;
    const { registry, key } = this.#needs;
    if (this.#proof.kind === 'bearer') {
      if (bearer?.error === 'invalid_token') cache.drop(key, this.#proof.token);
      return this.#lacking(this.#proof.token);
    }
    if (this.#proof.kind === 'none' && before.kind === 'bearer') {
      if (bearer && !isSame(tokens.asksAfter(this.#needs, bearer), before.token.asked)) cache.drop(key, before.token);
      if (!bearer && wantsBasic) cache.dropAllOf(registry.origin);
      return this.#lacking(before.token);
    }
    return this.#refused(refusesPassword(this.#needs));
  }

  #ended(error: unknown): undefined {
    if (!(error instanceof RegistryAuthError)) {
      this.#lead?.handOver();
      throw error;
    }
    // what a token server has said is the same for all; what this registry has said of one request, the next one is to hear itself
    if (error.code === 'bad-challenge' || error.code === 'realm-not-trusted') {
      this.#lead?.open();
      return this.#refused(error.message);
    }
    this.#lead?.fail(error);
    this.#explained = error.message;
  }

  #lacking(token: Token): undefined {
    this.#lacks = this.#needs.required.scopes;
    return this.#refused(tokenLacksIt(this.#needs, token));
  }

  #refused(what: string): undefined {
    const why = withoutSecret(what, this.#parts.proofs.secrets(this.#needs, this.#proof, this.#before));
    this.#explained = why;
    this.#parts.tell({ kind: 'refused', origin: this.#needs.registry.origin, scopes: this.#needs.required.scopes, why });
  }
}
