import fc from 'fast-check';
import { formsOf, isRedactable } from './bytes/secret-forms.js';
import { Redactor } from './redactor.js';

const MOST_BREAKS = 4;

/** What comes out of the chunks into which these bytes are cut at those places. */
function redacted(secrets: readonly string[], bytes: Buffer | string, cuts: readonly number[] = []): Buffer {
  const [redactor, all] = [new Redactor(secrets), Buffer.from(bytes)];
  const places = [0, ...[...cuts].map((cut) => cut % (all.length + 1)).sort((a, b) => a - b), all.length];
  const pieces = places.slice(1).map((to, index) => redactor.push(Buffer.from(all.subarray(places[index], to))));
  return Buffer.concat([...pieces, redactor.end()]);
}

/** The same, from the definition: all that is in a form is marked, and what overlaps is replaced once. */
function byDefinition(secrets: readonly string[], bytes: Buffer): Buffer {
  const [starts, marked] = [new Set<number>(), new Set<number>()];
  for (const run of runsOf(bytes)) {
    const text = Buffer.from(run.map((place) => bytes[place]!));
    const found = new Array<boolean>(run.length).fill(false);
    const joined = new Array<boolean>(run.length).fill(false);
    for (const form of secrets.flatMap(formsOf)) {
      for (let at = text.indexOf(form); at >= 0; at = text.indexOf(form, at + 1)) {
        found.fill(true, at, at + form.length);
        joined.fill(true, at + 1, at + form.length);
      }
    }
    found.forEach((isFound, at) => {
      if (!isFound) return;
      if (!joined[at]) starts.add(run[at]!);
      for (let place = joined[at] ? run[at - 1]! + 1 : run[at]!; place <= run[at]!; place++) marked.add(place);
    });
  }
  const out = [...bytes].map((byte, place) => {
    if (starts.has(place)) return Buffer.from('[redacted]');
    return marked.has(place) ? Buffer.alloc(0) : Buffer.of(byte);
  });
  return Buffer.concat(out);
}

/** Places of bytes that are no line breaks, with no more than so many breaks between two. */
function runsOf(bytes: Buffer): number[][] {
  const runs: number[][] = [[]];
  let breaks = 0;
  bytes.forEach((byte, place) => {
    breaks = byte === 10 || byte === 13 ? breaks + 1 : 0;
    if (breaks > MOST_BREAKS) runs.push([]);
    else if (breaks === 0) runs.at(-1)!.push(place);
  });
  return runs;
}

const cuts = fc.array(fc.nat(), { maxLength: 20 });
const few = (alphabet: string, terms: { minLength?: number; maxLength: number }) =>
  fc.string({ unit: fc.constantFrom(...alphabet), ...terms });
const SECRET = fc
  .string({
    unit: fc.oneof(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }), fc.constantFrom(...'/+~=%&<>"\'\\\n\u2028\u00e9 ')),
    maxLength: 40,
  })
  .map((text) => text.trim())
  .filter((text) => isRedactable(text));
const CONTEXT = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes));

describe('secrets', () => {
  it('are replaced by their definition, whatever they overlap with, and however the bytes are cut', () => {
    const secrets = fc.array(few('ab', { minLength: 6, maxLength: 9 }), { minLength: 1, maxLength: 4 });
    const parts = fc.tuple(fc.nat(3), fc.nat(8), few('abb\n\r', { maxLength: 6 }));
    const cases = fc.record({ secrets, parts: fc.array(parts, { maxLength: 15 }), cuts });
    fc.assert(
      fc.property(cases, (one) => {
        const ofSecrets = one.parts.map(([index, from, more]) => (one.secrets[index] ?? '').slice(from) + more);
        const bytes = Buffer.from(ofSecrets.join(''));
        const expected = byDefinition(one.secrets, bytes).toString('latin1');
        expect(redacted(one.secrets, bytes, one.cuts).toString('latin1')).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('do not survive as they are, in hex, in URLs or in JSON, between any bytes', () => {
    const ways: ((secret: string) => string)[] = [
      (secret) => secret,
      (secret) => Buffer.from(secret).toString('hex'),
      (secret) => Buffer.from(secret).toString('hex').toUpperCase(),
      encodeURIComponent,
      (secret) => encodeURIComponent(secret).replace(/%../g, (code) => code.toLowerCase()),
      (secret) => new URLSearchParams({ a: secret }).toString().slice(2),
      (secret) => JSON.stringify(secret).slice(1, -1),
      (secret) => JSON.stringify(JSON.stringify(secret)).slice(3, -3),
      (secret) => JSON.stringify(secret).slice(1, -1).replaceAll('/', '\\/'),
      (secret) => secret.replaceAll('\n', '\r\n'),
    ];
    fc.assert(
      fc.property(SECRET, fc.constantFrom(...ways), CONTEXT, CONTEXT, cuts, (secret, way, before, after, places) => {
        const out = redacted([secret], Buffer.concat([before, Buffer.from(way(secret)), after]), places);
        expect(out.toString('latin1')).toBe(Buffer.concat([before, Buffer.from('[redacted]'), after]).toString('latin1'));
      }),
    );
  });

  it.each([
    ['base64', 64],
    ['base64', 76],
    ['base64url', 1000],
    ['base64', 1000],
  ] as const)('do not survive in %s of more than them, at any place of it, in lines of %d', (encoding, columns) => {
    const more = fc.uint8Array({ maxLength: 90 });
    fc.assert(
      fc.property(SECRET, more, more, fc.constantFrom('\n', '\r\n'), cuts, (secret, before, after, lineBreak, places) => {
        const length = Buffer.byteLength(secret);
        const text = Buffer.concat([before, Buffer.from(secret), after]).toString(encoding);
        const [first, end] = [Math.ceil((before.length * 4) / 3), Math.floor(((before.length + length) * 4) / 3)];
        const wrapped = text.replace(new RegExp(`.{${columns}}(?=.)`, 'g'), `$&${lineBreak}`);
        const out = redacted([secret], wrapped, places)
          .toString()
          .replace(/[\r\n]/g, '');
        expect(out.startsWith(`${text.slice(0, first)}[redacted]`)).toBe(true);
        expect(text.slice(end).endsWith(out.slice(first + '[redacted]'.length))).toBe(true);
      }),
    );
  });

  it('do not leave a character of base64 behind where they are alone in it', () => {
    for (const secret of ['secret', 'secrets', 'secretss'])
      expect(redacted([secret], `${Buffer.from(secret).toString('base64')}\n`).toString()).toBe('[redacted]\n');
  });

  it('of several lines are replaced as one, and each long line by itself', () => {
    const key = '-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n9w0BAQEFAASC\n}\n-----END KEY-----\n';
    for (const text of [key, key.trim(), key.replaceAll('\n', '\r\n'), JSON.stringify(key).slice(1, -1), encodeURIComponent(key)])
      expect(redacted([key], `<${text}>`).toString()).toMatch(/^<\[redacted\]\s*>$/);
    expect(redacted([key], 'a 9w0BAQEFAASC b } c').toString()).toBe('a [redacted] b } c');
    expect(redacted([key], Buffer.from('9w0BAQEFAASC').toString('hex')).toString()).toBe('[redacted]');
  });

  it('that begin another one, end in it or lie next to it do not save the rest of it', () => {
    expect(redacted(['secret', 'secret-longer'], 'secret-longer secret-long').toString()).toBe('[redacted] [redacted]-long');
    expect(redacted(['1234567', 'x1234567y'], 'x1234567y x1234567').toString()).toBe('[redacted] x[redacted]');
    expect(redacted(['abcdef', 'defghi'], 'abcdefghi abcdefdefghi').toString()).toBe('[redacted] [redacted][redacted]');
    expect(redacted(['abcdef', 'fghijk'], 'abcdefghijk').toString()).toBe('[redacted]');
  });

  it('that are too short are left alone: nobody could read the log, and all could guess', () => {
    expect(redacted(['abcde', '', 'a\nb\nc'], 'abcde abc').toString()).toBe('abcde abc');
    expect(['abcde', '', 'a\nb\nc\n\n\n', 'ééé'].map(isRedactable)).toEqual([false, false, false, true]);
  });

  it('over more line breaks than an empty line has are two texts', () => {
    expect(redacted(['secret'], 'sec\r\n\r\nret').toString()).toBe('[redacted]');
    expect(redacted(['secret'], 'sec\n\n\n\n\nret').toString()).toBe('sec\n\n\n\n\nret');
  });

  it('with half a character are as others write them', () => {
    expect(redacted(['secret\ud800'], 'secret\ufffd').toString()).toBe('[redacted]');
  });
});

it('all else stays as it is, to the byte', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), cuts, (bytes, places) => {
      const out = redacted(['not in there at all', 'nor this\none of two lines'], Buffer.from(bytes), places);
      expect(out.equals(Buffer.from(bytes))).toBe(true);
    }),
  );
});

it('a secret that is added is not in what comes then, nor in what was held back', () => {
  const redactor = new Redactor(['a first secret']);
  const out = [redactor.push(Buffer.from('a second secret, a first sec')), redactor.push(Buffer.from('ond sec'))];
  expect(Buffer.concat(out).toString()).toBe('a second secret, a first second sec');
  const more = new Redactor(['abcdefghij']);
  const held = more.push(Buffer.from('x abcdef'));
  more.add(['cdefgh']);
  expect(Buffer.concat([held, more.push(Buffer.from('gh abcdefghi')), more.push(Buffer.from('j')), more.end()]).toString()).toBe(
    'x ab[redacted] [redacted]',
  );
});

it('a secret may be added in the middle of another one, and both go', () => {
  fc.assert(
    fc.property(
      few('ab', { minLength: 6, maxLength: 9 }),
      few('ab', { minLength: 6, maxLength: 9 }),
      few('ab\n', { maxLength: 60 }),
      fc.nat(),
      (one, two, text, cut) => {
        const redactor = new Redactor([one]);
        const before = redactor.push(Buffer.from(text.slice(0, cut % 60)));
        redactor.add([two]);
        const after = Buffer.concat([redactor.push(Buffer.from(text.slice(cut % 60))), redactor.end()]);
        const [all, rest] = [Buffer.concat([before, after]).toString(), after.toString()].map((out) => out.replaceAll(/[\n]/g, ''));
        expect(all).not.toContain(one);
        expect(rest).not.toContain(two);
      },
    ),
  );
});

it('no more is held back than what may be a secret with its line breaks, whatever comes', () => {
  const redactor = new Redactor([`${'a'.repeat(500)}b`]);
  let [pushed, told] = [0, 0];
  for (const fill of ['a', 'x', '\n', 'x', 'a\n', 'x', 'a\r\n\r\n', 'x']) {
    for (let round = 0; round < 20; round++) {
      const chunk = Buffer.alloc(10_000, fill);
      pushed += chunk.length;
      told += redactor.push(chunk).length;
      expect(pushed - told).toBeLessThanOrEqual(5 * 501);
    }
    if (fill === 'x') expect(told).toBe(pushed);
  }
});

it('does not hold on to the chunks it is given', () => {
  const redactor = new Redactor(['secret']);
  const chunk = Buffer.from('a sec');
  const out = redactor.push(chunk);
  chunk.fill('x');
  expect(Buffer.concat([out, redactor.push(Buffer.from('ular')), redactor.end()]).toString()).toBe('a secular');
});
