import fc from 'fast-check';
import { hostsLines, hostsOf, listeningAddresses } from './proxy-names.js';

const at = (host: string, port: number) => ({ host, port });

it('has the proxy at port 80 of its name, and at each port that a registry’s name has', () => {
  expect(listeningAddresses([])).toEqual([at('127.0.0.1', 80)]);
  expect(listeningAddresses(['registry.example.com', 'registry.example.com:5000', 'other:5000', '127.0.0.2:35000', '[::1]:9'])).toEqual([
    ...[at('127.0.0.1', 80), at('127.0.0.1', 5000), at('127.0.0.2', 80), at('127.0.0.2', 35_000)],
    ...[at('::1', 80), at('::1', 9)],
  ]);
});

it('listens at no address but those of the loopback interface', () => {
  expect(listeningAddresses(['10.0.0.1:5000', '0.0.0.0', '[::]:80', '[fd00::1]', '[::ffff:10.0.0.1]'])).toEqual([at('127.0.0.1', 80)]);
});

it('writes each name once, and neither addresses nor what a sandbox is called itself', () => {
  const names = ['Registry.example.com', 'registry.example.com:5000', '127.0.0.1:35000', 'localhost:5000', 'step', 'taskcluster', '[::1]'];
  expect(hostsLines(names)).toBe('127.0.0.1 taskcluster\n127.0.0.1 registry.example.com\n');
  expect(hostsOf(names)).toEqual(['registry.example.com', '127.0.0.1', 'localhost', 'step', 'taskcluster', '::1']);
});

it.each(['', 'a b', 'a\n127.0.0.1 b', 'http://a', 'a/b', 'a:', 'a:0', 'a:65536', 'a:http', '.a', '-a', 'a#', '::1', '[a]'])(
  'refuses what could be another line: %j',
  (name) => {
    for (const read of [hostsLines, hostsOf, listeningAddresses]) expect(() => read([name])).toThrow(TypeError);
  },
);

it('whatever it takes is one line with one name', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      try {
        expect(hostsLines([name])).toMatch(/^127\.0\.0\.1 taskcluster\n(127\.0\.0\.1 [\w.-]+\n)?$/);
      } catch (error) {
        expect(error).toBeInstanceOf(TypeError);
      }
    }),
  );
});
