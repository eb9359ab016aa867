import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { apiResource } from './api-resource.js';
import { Refusal } from './refusal.js';

const ORIGIN = 'https://tasks.example.com';

function refusalOf(target: string): string {
  try {
    return `no refusal, but ${apiResource(target)}`;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return `${error.status} ${error.message}`;
  }
}

describe('what leads to the service', () => {
  it.each([
    ['/queue/v1/ping', '/api/queue/v1/ping'],
    ['/api/queue/v1/ping', '/api/queue/v1/ping'],
    ['/purge-cache/v1/purge-cache/p%2Fw?since=2020', '/api/purge-cache/v1/purge-cache/p%2Fw?since=2020'],
    ['/queue/v1/task/x/artifacts/public%2Fa%20b.txt?', '/api/queue/v1/task/x/artifacts/public%2Fa%20b.txt?'],
    ['/queue/v1/task/x/artifacts/public/..a', '/api/queue/v1/task/x/artifacts/public/..a'],
    ['/queue/v1/ping/', '/api/queue/v1/ping/'],
    ['/queue/v1/task-queues?limit=2&prefix=/../..', '/api/queue/v1/task-queues?limit=2&prefix=/../..'],
  ])('%s', (target, resource) => expect(apiResource(target)).toBe(resource));
});

describe('what leads elsewhere, or may', () => {
  const REFUSED: Record<string, RegExp> = {
    '*': /leads to one service/,
    '': /leads to one service/,
    'http://evil.example/queue/v1/ping': /leads to one service/,
    'queue/v1/ping': /leads to one service/,
    'evil.example:80': /leads to one service/,
    '/': /must be \/<service>/,
    '/oauth/token': /must be \/<service>/,
    '/api/oauth/token': /must be \/<service>/,
    '/api': /must be \/<service>/,
    '/api/api/queue/v1/ping': /must be \/<service>/,
    '/API/queue/v1/ping': /must be \/<service>/,
    '/%61pi/queue/v1/ping': /must be \/<service>/,
    '/queue/v1/': /must be \/<service>/,
    '/queue%2Fv1/ping': /must be \/<service>/,
    '/.well-known/jwks.json': /must be \/<service>/,
    '/@evil.example/v1/ping': /must be \/<service>/,
    '//evil.example/v1/ping': /empty segment/,
    '/api//queue/v1/ping': /empty segment/,
    '/queue/v1//ping': /empty segment/,
    '/queue/v1/a%2F%2Fb': /empty segment/,
    '/queue/v1/../../oauth/token': /\. or \.\. in it/,
    '/queue/v1/./ping': /\. or \.\. in it/,
    '/queue/v1/..': /\. or \.\. in it/,
    '/queue/v1/%2e%2E/x': /\. or \.\. in it/,
    '/queue/v1/a%2F..%2F..%2F..%2Foauth': /\. or \.\. in it/,
    '/queue/v1/..;x/..;y/z': /\. or \.\. in it/,
    '/queue/v1/%252e%252e/x': /encoded twice/,
    '/queue/v1/%25252e%25252e/x': /encoded twice/,
    '/queue/v1/..%255c..': /encoded twice/,
    '/queue/v1/..\\..\\oauth': /percent-encoded/,
    '/queue/v1/..%5C..%5Coauth': /backslash/,
    '/queue/v1/a%0d%0aHost:%20evil': /control character/,
    '/queue/v1/a%00': /control character/,
    '/queue/v1/%ff': /not percent-encoded UTF-8/,
    '/queue/v1/%zz': /percent-encoded/,
    '/queue/v1/a b': /percent-encoded/,
    '/queue/v1/a#b': /percent-encoded/,
    '/queue/v1/é': /percent-encoded/,
    '/queue/v1/ping\r\nx: y': /percent-encoded/,
    '/queue/v1/ping?bewit=abc': /signed already/,
    '/queue/v1/ping?a=b&bewit=abc': /signed already/,
    '/queue/v1/ping?a?bewit=abc': /signed already/,
  };
  it.each(Object.entries(REFUSED))('%j is refused', (target, why) => expect(refusalOf(target)).toMatch(why));

  it('the refusal never repeats what was asked for', () => {
    const secrets = ['http://user:secret@x/', '/queue/v1/../secret', '/queue/v1/ping?bewit=secret', '/queue/v1/ping?a=secret#'];
    for (const target of secrets) expect(refusalOf(target)).toMatch(/^400 (?!.*secret)/s);
  });
});

describe('whatever a step asks for', () => {
  const pieces = [
    '/',
    '//',
    '..',
    '.',
    '%2e',
    '%2F',
    '%5c',
    '%25',
    '\\',
    ';',
    '@',
    ':',
    '?',
    '#',
    '&',
    '=',
    'bewit=',
    '%00',
    ' ',
    'é',
    '\r\n',
  ];
  const words = ['api', 'queue', 'auth', 'v1', 'oauth', 'token', 'http:', 'evil.example', 'a', '80'];
  const ragged = fc.array(fc.constantFrom(...pieces, ...words), { maxLength: 14 }).map((parts) => parts.join(''));
  const near = ragged.map((rest) => `/queue/v1/x${rest}`);
  const targets = fc.oneof(
    ragged,
    near,
    fc.string({ unit: 'binary' }),
    fc.webPath().map((path) => `/api/queue/v1${path}`),
  );

  /** The resource, or nothing where it is refused; any other error fails the test. */
  function mapped(target: string): string | undefined {
    try {
      return apiResource(target);
    } catch (error) {
      if (error instanceof Refusal && error.status === 400) return undefined;
      throw error;
    }
  }

  it('is refused, or stays at the service below /api, however often it is decoded and tidied', () => {
    let passed = 0;
    fc.assert(
      fc.property(targets, (target) => {
        const resource = mapped(target);
        if (resource === undefined) return;
        passed++;
        const url = new URL(`${ORIGIN}${resource}`);
        expect(url.origin).toBe(ORIGIN);
        expect([url.username, url.password, url.hash]).toEqual(['', '', '']);
        const path = resource.split('?', 1).join();
        expect(url.pathname).toBe(path);
        const root = /^\/api\/[a-z][a-z0-9-]*\/v\d+\//.exec(path)?.[0];
        for (let decoded = path, times = 0; times < 4; times++) {
          const tidied = new URL(`${ORIGIN}${decoded.replaceAll('\\', '/').replaceAll(/;[^/]*/g, '')}`);
          expect([tidied.origin, tidied.pathname.startsWith(root ?? '-')]).toEqual([ORIGIN, true]);
          decoded = decoded.replace(/%([0-9A-Fa-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
        }
        expect(resource).not.toMatch(/[^\x21-\x7e]|[?&]bewit=/);
      }),
      { numRuns: 5_000 },
    );
    expect(passed).toBeGreaterThan(100); // or it says nothing
  });

  it('says the same with /api before it and without, and when it is asked again', () => {
    fc.assert(
      fc.property(near, (target) => {
        const resource = mapped(target);
        expect(mapped(`/api${target}`)).toBe(resource);
        if (resource !== undefined) expect(apiResource(resource)).toBe(resource);
      }),
      { numRuns: 2_000 },
    );
  });
});
