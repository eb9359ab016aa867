import fc from 'fast-check';
import { hasDuplicateKeys, readCompactJws } from './compact-jws.js';

const FORM = { name: 'token', atMost: 400, members: ['alg', 'typ'], type: 'x' };
const part = (text: string | Uint8Array) => Buffer.from(text).toString('base64url');
const jws = (header: string, payload: string | Uint8Array) => `${part(header)}.${part(payload)}.${part('signature')}`;
const HEADER = '{"alg":"none","typ":"x"}';

describe('readCompactJws', () => {
  it('reads header and payload', () => {
    expect(readCompactJws(jws(HEADER, '{"a":1}'), FORM)).toEqual({ header: { alg: 'none', typ: 'x' }, payload: { a: 1 } });
  });

  it.each([
    ['too-long', jws(HEADER, JSON.stringify({ a: 'x'.repeat(400) }))],
    ['malformed', ''],
    ['malformed', 'a.b'],
    ['malformed', `${jws(HEADER, '{}')}.x`],
    ['malformed', `${part(HEADER)}.${part('{}')}.`],
    ['malformed', `${part(HEADER)}..${part('signature')}`],
    ['malformed', `${part(HEADER)}=.${part('{}')}.${part('s')}`],
    ['malformed', `${part(HEADER)}.${part('{}')}.c${'2R'}`], // bits beyond the last byte
    ['malformed', jws(HEADER, '[]')],
    ['malformed', jws(HEADER, 'null')],
    ['malformed', jws(HEADER, '"text"')],
    ['malformed', jws(HEADER, '{"a":1}x')],
    ['malformed', jws(`\ufeff${HEADER}`, '{}')],
    ['malformed', jws(HEADER, Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d))],
    ['malformed', jws(jws(HEADER, '{}'), '{}')],
    ['duplicate-key', jws(HEADER, '{"a":1,"a":1}')],
    ['duplicate-key', jws('{"alg":"none","typ":"x","typ":"x"}', '{}')],
    ['header', jws('{"typ":"x"}', '{}')],
    ['header', jws('{"alg":"none","typ":"x","crit":["b64"],"b64":false}', '{}')],
    ['header', jws('{"alg":"none","typ":"x","__proto__":{}}', '{}')],
    ['type', jws('{"alg":"none","typ":"X"}', '{}')],
    ['type', jws('{"alg":"none","typ":["x"]}', '{}')],
  ])('refuses what is %s: %s', (problem, text) => {
    expect(() => readCompactJws(text, FORM)).toThrow(expect.objectContaining({ problem }));
  });
});

describe('hasDuplicateKeys', () => {
  it('never of what JSON.stringify writes, however spaced', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), fc.nat(3), (json, spaces) => !hasDuplicateKeys(JSON.stringify(JSON.parse(json), null, spaces))),
    );
  });

  it('of any object that names one of its own twice, also in another spelling, and wherever it is', () => {
    const escaped = (key: string) =>
      `"${[...key].map((unit) => (unit.length === 1 ? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}` : unit)).join('')}"`;
    const member = fc.tuple(fc.string(), fc.json({ maxDepth: 2 }));
    fc.assert(
      fc.property(
        fc.uniqueArray(member, { minLength: 1, maxLength: 5, selector: ([key]) => key }),
        fc.nat(),
        fc.boolean(),
        (members, at, inner) => {
          const spelled = members.map(([key, value]) => `${JSON.stringify(key)} :${value}`);
          const [twice = ''] = members[at % members.length] ?? [];
          const object = `{${[...spelled, `${escaped(twice)}: 1`].join(',')}}`;
          JSON.parse(object);
          expect(hasDuplicateKeys(inner ? `[{"a":${object}}]` : object)).toBe(true);
        },
      ),
    );
  });

  it('not of the same key in two objects, nor of a value that looks like a key', () => {
    expect(hasDuplicateKeys('{"a":{"a":"a"},"b":{"a":"\\"a\\":"},"c":["a","a"]}')).toBe(false);
  });

  it('takes no longer for what is written to be slow', () => {
    const started = performance.now();
    for (const text of [`{"${'\\\\'.repeat(50_000)}":1}`, `{"a":"${' '.repeat(100_000)}"}`, `["a"${' '.repeat(100_000)}]`])
      hasDuplicateKeys(text);
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});
