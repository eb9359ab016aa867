import { describe, expect, it } from '@jest/globals';
import { type Exchange, type HttpAnswer, type HttpRequest, TooLargeError } from './http-exchange.js';
import type { Credential } from './registry-settings.js';
import { SESSION_LIMITS } from './session-limits.js';
import { TokenClient, type TokenErrand } from './token-client.js';

const BASIC: Credential = { kind: 'basic', username: 'a', password: 'canary:password' };
const settings = { origin: 'https://registry.example', tls: { cert: 'of the registry' } };
const errand: TokenErrand = { realm: new URL('https://registry.example/token'), service: 's', scopes: ['repository:a:pull'], settings };
const answer = (status: number, body: object | string = {}, more: Partial<HttpAnswer> = {}): HttpAnswer => ({
  status,
  challenges: [],
  body: typeof body === 'string' ? body : JSON.stringify(body),
  ...more,
});

/** A client whose token server answers so, in order; and what it was sent, and how long was waited. */
function clientOf(...answers: (HttpAnswer | Error)[]) {
  const [sent, waits]: [HttpRequest[], number[]] = [[], []];
  const exchange: Exchange = async (request) => {
    sent.push(request);
    const next = answers.shift() ?? answer(500);
    if (next instanceof Error) throw next;
    return next;
  };
  const client = new TokenClient(exchange, SESSION_LIMITS, async (ms) => void waits.push(ms));
  return { sent, waits, fetch: (more: Partial<TokenErrand> = {}) => client.fetch({ ...errand, ...more }, new AbortController().signal) };
}

const good = () => answer(200, { token: 'good' });

describe('a token server', () => {
  it('72: is asked with each value encoded, whatever is in it', async () => {
    const { sent, fetch } = clientOf(good());
    await fetch({
      service: 'a&scope=b#c',
      scopes: ['repository:x y&service=z:pull', 'b'],
      realm: new URL('https://registry.example/token?q=1;scope=c'),
    });
    const { searchParams, hash } = new URL(sent[0]?.url ?? '');
    expect([...searchParams.keys()]).toEqual(['q', 'service', 'scope', 'scope']);
    expect([searchParams.get('service'), searchParams.getAll('scope'), hash]).toEqual([
      'a&scope=b#c',
      ['repository:x y&service=z:pull', 'b'],
      '',
    ]);
    expect(sent[0]?.url.search).not.toContain(';');
  });

  it('is told a password by GET, and where it knows no GET by POST', async () => {
    const { sent, fetch } = clientOf(answer(405), good());
    expect((await fetch({ credential: BASIC })).text).toBe('good');
    expect(sent.map(({ method }) => method)).toEqual(['GET', 'POST']);
    expect(sent[0]?.headers.authorization).toBe(`Basic ${Buffer.from('a:canary:password').toString('base64')}`);
    const form = Object.fromEntries(new URLSearchParams(sent[1]?.body));
    expect(form).toEqual({
      grant_type: 'password',
      username: 'a',
      password: 'canary:password',
      client_id: 'leasehold',
      service: 's',
      scope: 'repository:a:pull',
    });
    const anonymous = clientOf(answer(405), good());
    await expect(anonymous.fetch()).rejects.toMatchObject({ code: 'token-server-failed' });
  });

  it.each([
    ['nothing', ''],
    ['no object', '[]'],
    ['null', 'null'],
    ['what is no JSON', '{"token": "canary"'],
    ['no token', { expires_in: 3 }],
    ['an empty one', { token: '' }],
    ['no string', { token: 7 }],
    ['a line break', { token: 'canary\r\nHost: evil.example' }],
    ['a space', { token: 'canary x' }],
    ['what is no ASCII', { token: 'canaryé' }],
    ['too much', { token: 'x'.repeat(16 * 1024 + 1) }],
  ])('58: that answers with %s has not answered', async (_, body) => {
    const error = await clientOf(answer(200, body))
      .fetch({ credential: BASIC })
      .catch((one: unknown) => one);
    expect(error).toMatchObject({ code: 'token-server-failed', message: expect.not.stringMatching(/canary/) });
  });

  it('may call it access_token, or token', async () => {
    expect((await clientOf(answer(200, { token: 'b', access_token: 'a' })).fetch()).text).toBe('a');
    expect((await clientOf(answer(200, { token: 'b', access_token: '' })).fetch()).text).toBe('b');
    const times = { token: 'b', expires_in: '30', issued_at: '1970-01-01T00:00:01Z' };
    const date = 'Thu, 01 Jan 1970 00:00:02 GMT';
    expect(await clientOf(answer(200, times, { date })).fetch()).toMatchObject({ expiresIn: 30, issuedAt: 1_000, answeredAt: 2_000 });
  });

  it.each([201, 204, 302, 400, 404])('65: with status %d there is no token', async (status) => {
    await expect(clientOf(answer(status, { token: 'x' })).fetch()).rejects.toMatchObject({ code: 'token-server-failed' });
  });

  it('74: that refuses is named with what was asked for, and without who asked', async () => {
    const error = await clientOf(answer(401, 'canary'))
      .fetch({ credential: BASIC })
      .catch((one: Error) => one);
    expect(error).toMatchObject({ code: 'token-refused', message: expect.stringMatching(/registry\.example.*repository:a:pull/) });
    expect(JSON.stringify(error) + String(error)).not.toMatch(/canary/);
  });

  it('60: that is busy is asked again, as late as it says, three times at most', async () => {
    const patient = clientOf(answer(429, {}, { retryAfter: '2' }), answer(503), good());
    expect((await patient.fetch()).text).toBe('good');
    expect(patient.waits).toEqual([2_000, 1_000]);
    const busy = clientOf(...Array(9).fill(answer(429, {}, { retryAfter: '0' })));
    await expect(busy.fetch()).rejects.toThrow(/status 429/);
    expect([busy.sent.length, busy.waits]).toEqual([3, [0, 0]]);
    const late = clientOf(answer(429, {}, { retryAfter: '3600' }), good());
    await expect(late.fetch()).rejects.toThrow(/status 429/);
    expect(late.waits).toEqual([]);
  });

  it('74: that cannot be reached, or answers without end, is told by a code alone', async () => {
    const refused = Object.assign(new Error('canary'), { code: 'ECONNREFUSED' });
    await expect(clientOf(refused).fetch()).rejects.toThrow(/cannot be reached \(ECONNREFUSED\)$/);
    await expect(clientOf(new TooLargeError('more than 3 bytes')).fetch()).rejects.toThrow(/has answered with more than 3 bytes$/);
  });

  it('77: is shown the certificate of the registry at its own origin, and nowhere else', async () => {
    const { sent, fetch } = clientOf(good(), good(), good());
    await fetch();
    await fetch({ realm: new URL('https://auth.example/token') });
    await fetch({ realm: new URL('https://registry.example:444/token') });
    expect(sent.map(({ tls }) => tls)).toEqual([settings.tls, undefined, undefined]);
  });
});
