import fc from 'fast-check';
import { literalAddress, normalHost } from './host.js';

it.each([
  ['pypi.org', 'pypi.org'],
  ['PyPI.org.', 'pypi.org'],
  ['mirror', 'mirror'],
  ['_a-b.c_d', '_a-b.c_d'],
  ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ['127.0.0.1', '127.0.0.1'],
  ['[0:0:0:0:0:0:0:1]', '[::1]'],
  ['[::FFFF:127.0.0.1]', '[::ffff:7f00:1]'],
  [`${'a'.repeat(63)}.b`, `${'a'.repeat(63)}.b`],
])('%s is %s', (written, host) => {
  expect(normalHost(written)).toBe(host);
});

it.each([
  ...['', '.', '..', '.a', 'a..b', 'a..', '-a', 'a-', '*.a', 'a b', 'a%41', 'bücher.example', 'a/b', 'a\\b', 'a@b', 'a:1', 'a\n', 'a\0'],
  ...['2130706433', '0177.0.0.1', '0x7f.1', '127.1', '127.0.0.1.', '127.0.0.01', '1.2.3.4.5', 'a.1', 'a.0x', 'a.0xff', '256.0.0.1'],
  ...['::1', '[::1', '::1]', '[]', '[fe80::1%25eth0]', '[fe80::1%eth0]', '[v1.a]', '[127.0.0.1]', '[[::1]]', '[::1].', '[::ffff:0x7f.1]'],
  ...['a'.repeat(64), `${'a.'.repeat(127)}a`],
])('%j is no host', (written) => {
  expect(normalHost(written)).toBeUndefined();
});

it('what comes out is in its one form: a second time changes nothing, and every reader of URLs reads the same', () => {
  const part = fc.constantFrom('a', 'B', '0', '1', '7f', '0x7f', '127', '.', '-', '_', ':', '[', ']', '%', '*', 'ü', '@', '/', '\\');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 9 }), (parts) => {
      const host = normalHost(parts.join(''));
      if (host === undefined) return;
      expect(normalHost(host)).toBe(host);
      expect(new URL(`http://${host}/`).hostname).toBe(host);
    }),
    { numRuns: 2_000 },
  );
});

it('an address is one with and without brackets, and a name is none', () => {
  expect(['127.0.0.1', '[::1]', 'pypi.org'].map(literalAddress)).toEqual(['127.0.0.1', '::1', undefined]);
});
