import fc from 'fast-check';
// @ts-expect-error hawk has no types; it is here as an independent opinion
import Hawk from 'hawk';
import { authorizationHeader, parseAuthorization } from './hawk.js';

const request = { method: 'POST', resource: '/api/queue/v1/task/x', host: 'tc.example.com', port: 443 };
const header = authorizationHeader({ clientId: 'tester', accessToken: 'no-secret' }, request, {
  nowMs: 1_700_000_100_000,
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

function oracleParse(text: string): unknown {
  try {
    const attributes = Hawk.utils.parseAuthorizationHeader(text);
    const missing = ['id', 'ts', 'nonce', 'mac'].some((name) => !attributes[name]);
    return missing ? 'Bad Request: Missing attributes' : attributes;
  } catch (error) {
    const { payload } = (error as { output: { payload: { error: string; message: string } } }).output;
    return `${payload.error}: ${payload.message}`;
  }
}

describe('parseAuthorization', () => {
  const whole = 'Hawk id="a", ts="1", nonce="n", mac="m"';

  it.each([
    ['', 'Unauthorized: Unauthorized'],
    ['Basic dXNlcg==', 'Unauthorized: Unauthorized'],
    [`${whole}${' '.repeat(4096)}`, 'Bad Request: Header length too long'],
    ['Basic '.padEnd(4097, 'x'), 'Bad Request: Header length too long'],
    ['Hawk', 'Bad Request: Invalid header syntax'],
    ['Hawk   ', 'Bad Request: Invalid header syntax'],
    ['"Hawk" id="a"', 'Bad Request: Invalid header syntax'],
    [`${whole}\n`, 'Bad Request: Invalid header syntax'],
    ['Hawk id', 'Bad Request: Bad header format'],
    [`Hawk ;${whole.slice(5)}`, 'Bad Request: Bad header format'],
    [`${whole} ext="e"`, 'Bad Request: Bad header format'],
    [`${whole}, ext="a\\"b"`, 'Bad Request: Bad header format'],
    [`${whole}, x="y"`, 'Bad Request: Unknown attribute: x'],
    [`${whole}, ext=""`, 'Bad Request: Bad attribute value: ext'],
    [`${whole}, ext="é"`, 'Bad Request: Bad attribute value: ext'],
    [`${whole}, id="b"`, 'Bad Request: Duplicate attribute: id'],
    [`${whole}, x="y", id="b"`, 'Bad Request: Duplicate attribute: id'],
    [`Hawk id="", ${whole.slice(5)}`, 'Bad Request: Bad attribute value: id'],
    ['Hawk id="a", ts="1", nonce="n"', 'Bad Request: Missing attributes'],
    ['Hawk __proto__="a"', 'Bad Request: Unknown attribute: __proto__'],
  ])('refuses %.60j with %j', (text, message) => {
    expect(outcome(() => parseAuthorization(text))).toBe(message);
    expect(oracleParse(text)).toBe(message);
  });

  it('takes a header of exactly 4096 characters', () => {
    expect(parseAuthorization(whole.padEnd(4096))).toEqual({ id: 'a', ts: '1', nonce: 'n', mac: 'm' });
  });

  it('takes the characters that hawk takes in a value, and no others', () => {
    for (let code = 0; code <= 0x2030; code += 1) {
      const text = `Hawk id="${String.fromCharCode(code)}", ts="1", nonce="n", mac="m"`;
      expect(outcome(() => parseAuthorization(text))).toEqual(oracleParse(text));
    }
  });

  it('agrees with hawk on any mutilation of a header', () => {
    const piece = fc.constantFrom(
      '"',
      '\\',
      ',',
      ' ',
      '=',
      'id="',
      'x="1", ',
      'ext="e"',
      '", ',
      'Hawk ',
      '\t',
      '\n',
      '.',
      'é',
      'id="", ',
      '',
    );
    const cut = fc.tuple(fc.nat(header.length), fc.nat(12), piece);
    fc.assert(
      fc.property(fc.array(cut, { minLength: 1, maxLength: 4 }), (cuts) => {
        const text = cuts.reduce((rest, [at, length, put]) => rest.slice(0, at) + put + rest.slice(at + length), header);
        expect(outcome(() => parseAuthorization(text))).toEqual(oracleParse(text));
      }),
      { numRuns: 2000 },
    );
  });

  it('reads a hostile header in linear time', () => {
    const started = performance.now();
    for (let round = 0; round < 200; round += 1) outcome(() => parseAuthorization(`Hawk ${'a'.repeat(4091)}`));
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
