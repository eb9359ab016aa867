import { createHash } from 'node:crypto';
import fc from 'fast-check';
// @ts-expect-error hawk has no types; it is here as an independent opinion
import Hawk from 'hawk';
import {
  authorizationHeader,
  type HawkAttributes,
  headerMac,
  MAX_TIMESTAMP_SKEW_MS,
  parseAuthorization,
  payloadHash,
  payloadHashMatches,
  verifyHeader,
} from './hawk.js';

const NOW = 1_700_000_100_000;
const KEY = 'no-secret';
const request = { method: 'POST', resource: '/api/queue/v1/task/x%2Fy?a=1&b', host: 'tc.example.com', port: 443 };
const header = authorizationHeader({ clientId: 'tester', accessToken: KEY }, request, {
  nowMs: NOW,
  nonce: 'abcDEF',
  authorizedScopes: ['a:b'],
  body: { contentType: 'application/json', text: '{"a":1}' },
});

/** The message of what `action` throws, or what it returns. */
function outcome<T>(action: () => T): T | string {
  try {
    return action();
  } catch (error) {
    return (error as Error).message;
  }
}

function authenticate(authorization: string, to = request, nowMs = NOW): void {
  verifyHeader(KEY, to, parseAuthorization(authorization), nowMs);
}

describe('headerMac', () => {
  it('gives the MAC of the published example of named temporary credentials', () => {
    const certificate = {
      version: 1,
      scopes: ['queue:reclaim-task:dSlITZ4yQgmvxxAi4A8fHQ/0', 'a:b:*'],
      start: 1_700_000_000_000,
      expiry: 1_700_001_200_000,
      seed: 'A'.repeat(22) + 'B'.repeat(22),
      signature: 'ghwf9Y98FPazNCzMD6ZPUbs9i67k4BMtfzOTEEiQpcA=',
      issuer: 'static/issuer',
    };
    const id = 'task-client/dSlITZ4yQgmvxxAi4A8fHQ/0/on/wg/wid/until/1700001200.123';
    const accessToken = '9bfBKQIfTnx6xDcNAejx3xgq5kYzuTnNiym46O3BL8E';
    const reclaim = { ...request, resource: '/api/queue/v1/task/dSlITZ4yQgmvxxAi4A8fHQ/runs/0/reclaim' };
    const signed = authorizationHeader({ clientId: id, accessToken, certificate: JSON.stringify(certificate) }, reclaim, {
      nowMs: NOW,
      nonce: 'abcDEF',
    });
    const { ext = '', mac } = parseAuthorization(signed);
    expect(ext).toHaveLength(372);
    expect(createHash('sha256').update(ext).digest('hex')).toBe('ab07d7a720820ed88f02f8220c68092744b1511b5587305818a97895cf1a26ea');
    expect(mac).toBe('nQCRf84R9JRkF6S1zUSfuhXzxkalyPTgh+FWsX9zJvU=');
  });

  it('agrees with hawk on any attributes', () => {
    const some = fc.option(fc.oneof(fc.string(), fc.constantFrom('a\\b\nc\n', '')), { nil: undefined });
    const optional = fc.record({ hash: some, ext: some, app: some, dlg: some });
    fc.assert(
      fc.property(optional, fc.string(), fc.constantFrom('get', 'PUT'), fc.webPath(), (attributes, nonce, method, path) => {
        const to = { method, resource: `/${path}`, host: 'TC.example.com', port: 8080 };
        const all = { ...attributes, id: 'a', ts: '1700000100', nonce };
        const expected = Hawk.crypto.calculateMac('header', { key: KEY, algorithm: 'sha256' }, { ...to, ...all });
        expect(headerMac(KEY, to, all)).toBe(expected);
      }),
    );
  });

  it('refuses an empty key', () => {
    expect(() => headerMac('', request, { id: 'a', ts: '1', nonce: 'n' })).toThrow(RangeError);
  });
});

describe('verifyHeader', () => {
  it('accepts what hawk signs', () => {
    const options = { credentials: { id: 'tester', key: KEY, algorithm: 'sha256' }, timestamp: NOW / 1000, ext: 'some-ext', payload: 'x' };
    const signed = Hawk.client.header(`https://${request.host}${request.resource}`, 'POST', options);
    expect(() => authenticate(signed.header)).not.toThrow();
  });

  it('signs what hawk accepts', async () => {
    const signed = authorizationHeader({ clientId: 'tester', accessToken: KEY }, request, { nowMs: Date.now(), nonce: 'n' });
    const sent = { ...request, url: request.resource, authorization: signed };
    await expect(Hawk.server.authenticate(sent, async () => ({ key: KEY, algorithm: 'sha256' }))).resolves.toBeDefined();
  });

  it.each([
    ['15 minutes behind', NOW + MAX_TIMESTAMP_SKEW_MS, undefined],
    ['15 minutes ahead', NOW - MAX_TIMESTAMP_SKEW_MS, undefined],
    ['older', NOW + MAX_TIMESTAMP_SKEW_MS + 1, 'Unauthorized: Stale timestamp'],
    ['further ahead', NOW - MAX_TIMESTAMP_SKEW_MS - 1, 'Unauthorized: Stale timestamp'],
  ])('judges a timestamp %s', (_, nowMs, message) => {
    expect(outcome(() => authenticate(header, request, nowMs))).toBe(message);
  });

  it.each(['soon', 'NaN', 'Infinity', '1e400'])('never takes the timestamp %j for a fresh one', (ts) => {
    const signed = { id: 'tester', ts, nonce: 'n' };
    const attributes: HawkAttributes = { ...signed, mac: headerMac(KEY, request, signed) };
    expect(() => verifyHeader(KEY, request, attributes, NOW)).toThrow('Unauthorized: Stale timestamp');
  });

  it('tells a stranger of a bad MAC before a stale timestamp', () => {
    expect(() => verifyHeader('other', request, parseAuthorization(header), 0)).toThrow('Unauthorized: Bad mac');
  });

  it('refuses a MAC of any other length', () => {
    const attributes = parseAuthorization(header);
    for (const mac of ['', 'A', attributes.mac.slice(0, -1), `${attributes.mac}=`, 'é'.repeat(44)]) {
      expect(() => verifyHeader(KEY, request, { ...attributes, mac }, NOW)).toThrow('Unauthorized: Bad mac');
    }
  });

  it('refuses a header of which any one character was changed, dropped or doubled', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: header.indexOf('ts='), max: header.length - 1 }),
        fc.constantFrom('', 'x', 'A', '0', '"', '=='),
        (at, put) => {
          const changed = header.slice(0, at) + put + header.slice(at + 1);
          fc.pre(changed !== header && parsesDifferently(changed));
          expect(() => authenticate(changed)).toThrow(/^(Bad Request|Unauthorized): /);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('refuses the header on any other request', () => {
    const others = [
      { method: 'PUT' },
      { resource: `${request.resource}&` },
      { resource: '/api/queue/v1/task/x/y?a=1&b' },
      { host: 'tc' },
      { port: 80 },
    ];
    for (const other of others) {
      expect(() => authenticate(header, { ...request, ...other })).toThrow('Unauthorized: Bad mac');
    }
  });
});

/** Spaces around commas may change without a change of meaning. */
function parsesDifferently(changed: string): boolean {
  return JSON.stringify(outcome(() => parseAuthorization(changed))) !== JSON.stringify(parseAuthorization(header));
}

describe('authorizationHeader', () => {
  it.each([['a"b'], ['a\\b'], ['a\nb'], [''], ['é']])('will not write the clientId %j', (clientId) => {
    expect(() => authorizationHeader({ clientId, accessToken: KEY }, request, { nowMs: NOW, nonce: 'n' })).toThrow(TypeError);
  });
});

describe('payloadHash', () => {
  it.each([
    [undefined, '', 'B0weSUXsMcb5UhL41FZbrUJCAotzSI3HawE1NPLRUz8='],
    ['application/json', '{"a":1}', 'qKG2AtsqLMhIdy7+OrxWG0bU8wTDncYSW0gmNukAKpI='],
    ['Application/JSON ; charset=utf-8', Buffer.from('{"a":1}'), 'qKG2AtsqLMhIdy7+OrxWG0bU8wTDncYSW0gmNukAKpI='],
  ])('hashes %j %s', (contentType, body, expected) => {
    expect(payloadHash(contentType, body)).toBe(expected);
    expect(payloadHashMatches(expected, contentType, body)).toBe(true);
  });

  it('agrees with hawk on any body and type', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (body, type) => {
        expect(payloadHash(type, body)).toBe(Hawk.crypto.calculatePayloadHash(body, 'sha256', type));
      }),
    );
  });

  it('answers false to a hash of any other text or length', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (hash) => !payloadHashMatches(hash, 'application/json', '{"a":1}')),
    );
  });
});
