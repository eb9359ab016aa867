import fc from 'fast-check';
import { AllowList } from './allow-list.js';
import { allowedOrigin, type OutgoingSetting } from './allowed-origin.js';
import { originOf, type Target } from './target.js';

const list = (...settings: OutgoingSetting[]) => new AllowList(settings.map(allowedOrigin));
const http = (host: string, port = 80): Target => ({ isSecure: false, host, port });
const https = (host: string, port = 443): Target => ({ isSecure: true, host, port });

it('an origin is its scheme, its host and its port', () => {
  const allowed = list('https://pypi.org', 'http://mirror.test:8080');
  for (const target of [https('pypi.org'), http('mirror.test', 8080)]) expect(allowed.find(target)).toBeDefined();
  for (const target of [
    http('pypi.org', 443),
    https('pypi.org', 444),
    https('a.pypi.org'),
    https('org'),
    http('mirror.test'),
    https('mirror.test', 8080),
  ])
    expect(allowed.find(target)).toBeUndefined();
});

it('a * is one label or more', () => {
  const allowed = list('https://*.example.com');
  for (const host of ['a.example.com', 'a.b.example.com']) expect(allowed.find(https(host))).toBeDefined();
  for (const host of ['example.com', 'evilexample.com', 'a.example.com.evil.test', 'com', 'a.example.co'])
    expect(allowed.find(https(host))).toBeUndefined();
  expect(allowed.exactly(https('a.example.com'))).toBeUndefined();
});

it('what is said of one name counts before what is said of those around it', () => {
  const allowed = list(
    { origin: 'https://*.example.com', addresses: ['public'] },
    { origin: 'https://*.in.example.com', addresses: ['private'] },
    { origin: 'https://a.in.example.com', addresses: ['loopback'] },
  );
  expect(['b', 'b.in', 'a.in', 'c.a.in', 'in'].map((name) => allowed.find(https(`${name}.example.com`))?.kinds)).toEqual([
    ...[['public'], ['private'], ['loopback'], ['private'], ['public']],
  ]);
});

it('allows nothing that is not, after the scheme, on the list or below a name with a * on it', () => {
  const allowed = list('https://a.b', 'https://*.b.c', 'http://*.b.c:81');
  const label = fc.constantFrom('a', 'b', 'c', 'ab');
  const target = fc.record({
    isSecure: fc.boolean(),
    host: fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.')),
    port: fc.constantFrom(80, 81, 443),
  });
  fc.assert(
    fc.property(target, (asked) => {
      const expected = /^https:\/\/(a\.b|(\w+\.)+b\.c)$|^http:\/\/(\w+\.)+b\.c:81$/.test(originOf(asked));
      expect(allowed.find(asked) !== undefined).toBe(expected);
    }),
    { numRuns: 1_000 },
  );
});

it('is told as an operator would write it', () => {
  expect(list('HTTPS://*.PyPI.org:443', 'http://[::1]:80', 'https://bücher.example').names).toEqual([
    ...['https://*.pypi.org', 'http://[::1]', 'https://xn--bcher-kva.example'],
  ]);
});
