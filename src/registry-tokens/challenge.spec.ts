import fc from 'fast-check';
import { type Challenge, parseChallenges } from './challenge.js';

const BEARER = 'Bearer realm="https://auth.example.com/token",service="registry.example.com",scope="repository:a:pull"';
const READ: Challenge = {
  scheme: 'bearer',
  realm: 'https://auth.example.com/token',
  service: 'registry.example.com',
  scope: 'repository:a:pull',
};

describe('parseChallenges', () => {
  it('reads what registries say', () => {
    expect(parseChallenges([BEARER])).toEqual([READ]);
    expect(parseChallenges([`${BEARER},error="insufficient_scope"`])).toEqual([{ ...READ, error: 'insufficient_scope' }]);
    expect(parseChallenges(['Basic realm="a registry"'])).toEqual([{ scheme: 'basic', realm: 'a registry' }]);
    expect(parseChallenges(['Basic'])).toEqual([{ scheme: 'basic' }]);
    expect(parseChallenges([])).toEqual([]);
  });

  it.each([
    ['two lines', ['Basic realm="b"', BEARER], [{ scheme: 'basic', realm: 'b' }, READ]],
    ['one line', [`Basic realm="b", ${BEARER}`], [{ scheme: 'basic', realm: 'b' }, READ]],
    ['one line, Bearer first', [`${BEARER}, Basic realm="b"`], [READ, { scheme: 'basic', realm: 'b' }]],
    ['no parameters', [`Negotiate, ${BEARER}`], [READ]],
    ['a token', [`Negotiate YII+/=, NTLM ~._-== , ${BEARER}`], [READ]],
    ['empty elements', [` , ,${BEARER}, ,\t, Basic realm="b" ,,`], [READ, { scheme: 'basic', realm: 'b' }]],
    ['parameters of others', [`Digest realm="d", qop="auth, auth-int", nonce=abc, ${BEARER}`], [READ]],
    ['what looks like another within quotes', [`Digest realm="x, Bearer realm=\\"https://evil.example\\"", ${BEARER}`], [READ]],
  ])('35: several challenges: %s', (_name, headers, read) => {
    expect(parseChallenges(headers)).toEqual(read);
  });

  it.each([
    ['upper case', 'BEARER REALM="https://a.example/t",Service="s"', { realm: 'https://a.example/t', service: 's' }],
    ['no quotes', 'Bearer realm=https://a.example/t?x=y,service=s', { realm: 'https://a.example/t?x=y', service: 's' }],
    ['spaces', 'Bearer  realm = "https://a.example/t" ,\tservice\t=\ts', { realm: 'https://a.example/t', service: 's' }],
    ['escapes', 'Bearer realm="https://a.example/t",service="a\\"b\\\\\\c"', { realm: 'https://a.example/t', service: 'a"b\\c' }],
    ['other parameters', 'Bearer realm="https://a.example/t",error_description="größer",x=y', { realm: 'https://a.example/t' }],
    [
      'a comma in a value',
      'Bearer realm="https://a.example/t",scope="repository:a:pull,push"',
      { realm: 'https://a.example/t', scope: 'repository:a:pull,push' },
    ],
    ['nothing in a value', 'Bearer realm="https://a.example/t",service="",scope=""', { realm: 'https://a.example/t' }],
  ])('36: spellings: %s', (_name, header, read) => {
    expect(parseChallenges([header])).toEqual([{ scheme: 'bearer', ...read }]);
  });

  it.each([
    ['two realms', 'Bearer realm="https://a.example/",realm="https://b.example/"'],
    ['two realms in different case', 'Bearer realm="https://a.example/",REALM=x'],
    ['two scopes', `${BEARER},scope="repository:b:pull"`],
    ['something twice in a challenge of another kind', `Digest nonce=a,nonce=b, ${BEARER}`],
    ['an unterminated quote', 'Bearer service="s",realm="https://a.example/'],
    ['a quote that is ended by an escape only', 'Bearer realm="https://a.example/\\"'],
    ['a quote within a value', 'Bearer realm=https://a.example/"'],
    ['something behind a quote', 'Bearer realm="https://a.example/"x'],
    ['no comma', 'Bearer realm="https://a.example/" service="s"'],
    ['no comma before a scheme', `Basic realm="b" ${BEARER}`],
    ['no comma behind a scheme', `Basic ${BEARER}`],
    ['no space behind a scheme', `Negotiate/abc, ${BEARER}`],
    ['no value', 'Bearer realm="https://a.example/",service='],
    ['no name', 'Bearer =, realm="https://a.example/"'],
    ['no scheme', '="x"'],
    ['a semicolon', 'Bearer realm="https://a.example/";service="s"'],
    ['a token and parameters', 'Bearer abc=, realm="https://a.example/"'],
    ['a line end', 'Bearer realm="https://a.example/\r\nX: y"'],
    ['an escaped line end', 'Bearer realm="https://a.example/",x="\\\n"'],
    ['a line end between', 'Bearer realm="https://a.example/",\n service="s"'],
    ['a zero', 'Bearer realm="https://a.example/\0"'],
    ['a tab in what is used', 'Bearer realm="https://a.example/\t"'],
    ['letters beyond ASCII in what is used', 'Bearer realm="https://ä.example/"'],
    ['a control character of the eighth bit', 'Bearer realm="https://a.example/",service="a\u0085b"'],
    ['half a character', 'Bearer realm="https://a.example/",service="\ud800"'],
  ])('37: a header with %s gives no challenge, and others do', (_name, header) => {
    expect(parseChallenges([header])).toEqual([]);
    expect(parseChallenges([header, BEARER])).toEqual([READ]);
    expect(parseChallenges([`Basic realm="b", ${header}`])).toEqual([]);
  });

  it('leaves out Bearer without a realm, and schemes that registries do not use', () => {
    expect(parseChallenges(['Bearer', 'Bearer service="s"', 'Bearer realm=""', 'Bearer abc==', 'Negotiate', 'DPoP algs="ES256"'])).toEqual(
      [],
    );
  });

  it('reads no more than a bounded part', () => {
    const padded = (length: number) => `Bearer realm="https://a.example/${'a'.repeat(length - 33)}"`;
    expect(parseChallenges([padded(8192)])).toHaveLength(1);
    expect(parseChallenges([padded(8193)])).toEqual([]);
    const parameters = (count: number) => Array.from({ length: count }, (_, at) => `,p${at}=x`).join('');
    expect(parseChallenges([`${BEARER}${parameters(29)}`])).toEqual([READ]);
    expect(parseChallenges([`${BEARER}${parameters(30)}`])).toEqual([]);
    expect(parseChallenges([Array(32).fill(BEARER).join()])).toHaveLength(32);
    expect(parseChallenges([Array(33).fill(BEARER).join()])).toEqual([]);
    expect(parseChallenges(Array(40).fill(BEARER))).toHaveLength(32);
  });

  it('36: reads whatever is written by the rules', () => {
    const value = fc.string({
      unit: fc.constantFrom('a', 'Z', '"', '\\', ',', '=', ' ', '/', ':', 'realm="'),
      minLength: 1,
      maxLength: 12,
    });
    const bearer = fc.record({ realm: value, service: value, scope: value, error: value }, { requiredKeys: ['realm'] });
    const challenge = fc.oneof(
      bearer.map((given) => ({ scheme: 'bearer' as const, ...given })),
      fc.record({ realm: value }, { requiredKeys: [] }).map((given) => ({ scheme: 'basic' as const, ...given })),
    );
    const quoted = (text: string) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
    const spelling = fc.record({ equals: fc.constantFrom('=', ' =\t'), comma: fc.constantFrom(',', ' , ', ',,\t'), isLoud: fc.boolean() });
    const printed = ({ scheme, ...given }: Challenge, { equals, comma, isLoud }: { equals: string; comma: string; isLoud: boolean }) => {
      const name = (text: string) => (isLoud ? text.toUpperCase() : text);
      const parameters = Object.entries(given).map(([key, text]) => `${name(key)}${equals}${quoted(text)}`);
      return `${name(scheme)} ${parameters.join(comma)}`.trimEnd();
    };
    fc.assert(
      fc.property(fc.array(challenge, { maxLength: 4 }), spelling, (challenges, how) => {
        const parts = challenges.map((one) => printed(one, how));
        expect(parseChallenges(parts)).toEqual(challenges);
        expect(parseChallenges([parts.join(how.comma)])).toEqual(challenges);
      }),
      { numRuns: 1_000 },
    );
  });

  it('37: never throws, and what it reads can stand in a line', () => {
    const piece = fc.constantFrom(
      'Bearer ',
      'Basic ',
      'realm',
      '=',
      '"',
      '\\',
      ',',
      ' ',
      '\t',
      '\n',
      '\0',
      'a',
      'ä',
      'service',
      'https://a.example',
      ';',
      '\ud800',
    );
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join('')),
            fc.string({ unit: 'binary' }),
          ),
        ),
        (headers) => {
          for (const challenge of parseChallenges(headers)) expect(Object.values(challenge).join('')).toMatch(/^[ -~]+$/);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it.each([' ', '\t', ',', 'a', '=', 'a=', '"', '\\', 'a="', '" ', 'a ', 'Bearer ', 'a=b,', ' ,', 'a=a=', '=,'])(
    'comes to an end of many of %j',
    (text) => {
      // With a pattern that goes back and forth this would take days.
      for (const start of ['', 'Bearer ', 'Bearer realm=', 'Bearer realm="', 'Bearer a']) {
        const header = (start + text.repeat(8192)).slice(0, 8191);
        expect(parseChallenges([`${header}\0`, `${header}"\0`])).toEqual([]);
      }
    },
  );
});
