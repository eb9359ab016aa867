import fc from 'fast-check';
import { dispositionOf, fileNameOf } from './disposition.js';

it.each([
  ['public/logs/live.log', 'live.log'],
  ['a/b.tar.gz/', 'b.tar.gz'],
  ['../../etc/passwd', 'passwd'],
  ['..', '_'],
  ['.bashrc', '_bashrc'],
  ['a"; x="b', 'a___x__b'],
  ['C:\\windows\\x', 'C__windows_x'],
  ['///', 'artifact'],
  ['a b', 'a_b'],
])('%j is stored as %s', (name, expected) => expect(fileNameOf(name)).toBe(expected));

it('is never a path, nor hidden, nor more than a name', () => {
  fc.assert(fc.property(fc.string({ maxLength: 300 }), (name) => expect(fileNameOf(name)).toMatch(/^(?!\.)[A-Za-z0-9._-]{1,100}$/)));
});

it('only what is harmless is shown', () => {
  expect(dispositionOf('text/plain; charset=utf-8', 'a')).toBe('inline; filename="a"');
  for (const type of ['text/html', 'image/svg+xml', 'text/plainx', '', 'application/jsonp']) {
    expect(dispositionOf(type, 'a')).toBe('attachment; filename="a"');
  }
});
