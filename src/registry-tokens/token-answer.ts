import type { TokenTimes } from './token-life.js';

export interface TokenAnswer extends TokenTimes {
  /** Secret. */
  text: string;
}

/**
 * What can be sent in a header, and is one token there: RFC 9110, 5.5, without spaces. A line break would begin a header of the server's
 * choice.
 */
const VISIBLE = /^[\x21-\x7e]+$/;

/**
 * What a token server has answered, or undefined where there is no token in it. A refresh token that comes along is left where it is:
 * nobody asked for one, and what is not held cannot be lost.
 */
export function tokenAnswer(body: string, date: string | undefined, longest: number): TokenAnswer | undefined {
  const answer = parsed(body);
  const text = [answer.access_token, answer.token].find((one) => typeof one === 'string' && one !== '');
  if (typeof text !== 'string' || text.length > longest || !VISIBLE.test(text)) return undefined;
  return { text, expiresIn: seconds(answer.expires_in), issuedAt: instant(answer.issued_at), answeredAt: instant(date) };
}

function parsed(body: string): Record<string, unknown> {
  try {
    const answer: unknown = JSON.parse(body);
    return typeof answer === 'object' && answer !== null ? (answer as Record<string, unknown>) : {};
  } catch {
    return {}; // what the parser says repeats what is there
  }
}

function seconds(value: unknown): number | undefined {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

function instant(value: unknown): number | undefined {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
