import { type AddressKind, dialableKinds } from './addresses.js';
import { RegistryAuthError } from './attempt.js';
import { type Exchange, type HttpAnswer, TooLargeError } from './http-exchange.js';
import type { RegistrySettings } from './registry-settings.js';
import type { SessionLimits } from './session-limits.js';
import { type TokenAnswer, tokenAnswer } from './token-answer.js';
import { passwordForm, type TokenForm, type TokenRequest, tokenForm } from './token-request.js';

/** A request for a token, and of which registry's. */
export interface TokenErrand extends TokenRequest {
  settings: Pick<RegistrySettings, 'origin' | 'addresses' | 'tls'>;
  /** Asked for instead where `scopes` are refused with 403: some servers refuse all if one action is too much. */
  narrower?: readonly string[];
}

export interface GrantedToken extends TokenAnswer {
  asked: readonly string[];
}

/** Resolves after so many milliseconds; rejects with the signal's reason. */
export type Wait = (ms: number, signal: AbortSignal) => Promise<void>;

/** Milliseconds, where a server that is busy does not say how long. */
const PAUSE = 500;
/** Milliseconds. Who is to wait longer is told so at once. */
const LONGEST_PAUSE = 5_000;

/** Asks token servers. It knows nothing of what was asked before. */
export class TokenClient {
  constructor(
    private readonly exchange: Exchange,
    private readonly limits: SessionLimits,
    private readonly wait: Wait,
  ) {}

  /** @throws RegistryAuthError; the signal's reason */
  async fetch(errand: TokenErrand, signal: AbortSignal): Promise<GrantedToken> {
    const late = AbortSignal.timeout(this.limits.answerMs);
    try {
      return await this.#granted(errand, AbortSignal.any([signal, late]));
    } catch (error) {
      if (signal.aborted || error instanceof RegistryAuthError) throw error;
      throw failed(errand, late.aborted ? `has not answered within ${this.limits.answerMs / 1_000} s` : whyNot(error));
    }
  }

  async #granted(errand: TokenErrand, signal: AbortSignal): Promise<GrantedToken> {
    const { scopes, narrower } = errand;
    const answer = await this.#asked(errand, signal);
    if (answer.status !== 403 || !narrower || narrower.join(' ') === scopes.join(' ')) return this.#read(answer, errand);
    const less = { ...errand, scopes: narrower };
    return this.#read(await this.#asked(less, signal), less);
  }

  #read({ status, body, date }: HttpAnswer, errand: TokenErrand): GrantedToken {
    if (status === 401 || status === 403) throw refused(errand, status);
    if (status >= 300 && status < 400) throw failed(errand, `answers with a redirect (${status}), which is not followed with a credential`);
    if (status !== 200) throw failed(errand, `answers with status ${status}`);
    const token = tokenAnswer(body, date, this.limits.tokenBytes);
    if (!token) throw failed(errand, `has answered without a token of at most ${this.limits.tokenBytes} visible characters`);
    return { ...token, asked: errand.scopes };
  }

  async #asked(errand: TokenErrand, signal: AbortSignal): Promise<HttpAnswer> {
    const answer = await this.#patiently(errand, tokenForm(errand), signal);
    const posted = answer.status === 404 || answer.status === 405 ? passwordForm(errand) : undefined;
    return posted ? this.#patiently(errand, posted, signal) : answer;
  }

  async #patiently(errand: TokenErrand, form: TokenForm, signal: AbortSignal): Promise<HttpAnswer> {
    for (let tries = 1; ; tries++) {
      const answer = await this.exchange({ ...form, ...reach(errand), most: this.limits.answerBytes }, signal);
      const pause = pauseAfter(answer, tries);
      if (pause === undefined || pause > LONGEST_PAUSE || tries >= this.limits.tries) return answer;
      await this.wait(pause, signal);
    }
  }
}

function pauseAfter({ status, retryAfter }: HttpAnswer, tries: number): number | undefined {
  if (status !== 429 && status < 500) return undefined;
  return retryAfter !== undefined && /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1_000 : PAUSE * tries;
}

/** What is set up for a registry's own origin is not for a realm elsewhere, which could ask for its certificate otherwise. */
function reach({ realm, settings }: TokenErrand): { kinds: readonly AddressKind[]; tls?: RegistrySettings['tls'] } {
  const isOwn = realm.origin === new URL(settings.origin).origin;
  return { kinds: dialableKinds(realm.hostname, settings.addresses), ...(isOwn && settings.tls && { tls: settings.tls }) };
}

/** Of errors with messages that others have written, the code only. */
export function whyNot(error: unknown): string {
  if (error instanceof TooLargeError) return `has answered with ${error.message}`;
  const code = (error as { code?: unknown }).code;
  return `cannot be reached${typeof code === 'string' ? ` (${code})` : ''}`;
}

function failed(errand: TokenErrand, what: string): RegistryAuthError {
  return new RegistryAuthError('token-server-failed', `The token server ${errand.realm.origin} of ${errand.settings.origin} ${what}`);
}

function refused({ realm, settings, scopes, credential }: TokenErrand, status: number): RegistryAuthError {
  const whom = credential ? 'the credential that is configured' : 'anybody: no credential is configured';
  return new RegistryAuthError(
    'token-refused',
    `The token server ${realm.origin} of ${settings.origin} refuses a token for ${scopes.join(' ') || 'nothing in particular'} to ${whom} (${status})`,
  );
}
