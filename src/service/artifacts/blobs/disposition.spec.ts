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
  for (const type of [
    'text/plain',
    'text/plain; charset=utf-8',
    'TEXT/plain;charset="utf-8" ; a=b',
    'image/png',
    'application/json;x="a; b"',
  ]) {
    expect([type, dispositionOf(type, 'a')]).toEqual([type, 'inline; filename="a"']);
  }
  for (const type of [
    'text/html',
    'image/svg+xml',
    'text/plainx',
    '',
    ' ',
    'application/jsonp',
    'text/plain, text/html',
    'text/plain;,text/html',
    'text/plain ;, text/html;charset=utf-8',
    'image/png;, image/svg+xml',
    'text/plain; a="b,text/html"',
    'text/plain; a=b,text/html',
    'text/plain; a="b\\", text/html;"',
    'text/plain;',
    'text/plain; charset',
    'text/plain text/html',
    'text/plain\n',
    'text/html; a=text/plain',
  ]) {
    expect([type, dispositionOf(type, 'a')]).toEqual([type, 'attachment; filename="a"']);
  }
});

it('nothing with a comma is shown, and no type takes long to be judged', () => {
  const part = fc.constantFrom('text/plain', 'image/png', 'text/html', ';', ',', ' ', 'a=b', '"', '\\', '=');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
      const type = `text/plain${parts.join('')}`;
      if (type.includes(',')) expect(dispositionOf(type, 'a')).toBe('attachment; filename="a"');
    }),
  );
  const began = performance.now();
  for (const repeated of [';a=b', ' ;', ';a="', ' '])
    expect(dispositionOf(`text/plain${repeated.repeat(80)},`, 'a')).toMatch(/^attachment/);
  expect(performance.now() - began).toBeLessThan(100);
});
