import { createPublicKey } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { CompactEncrypt, importJWK } from 'jose';
import { slugid } from '../../src/credentials/slugid.js';
import { esSignature, forged, maced, ofOrder, type Part, type Pen, part, signatureOf } from './forge.js';
import { JWKS } from './signing-keys.js';
import { HERE } from './task-tokens.js';

/** A token that is good, and what a hostile one is made of. */
export interface Base {
  token: string;
  header: { alg: string; kid: string; typ: string };
  claims: Record<string, unknown> & { exp: number; iat: number; jti: string };
}

/** What a forger has; also the service's own keys: so that nothing is wrong with a token but what is to be. */
export interface Pens {
  es: Pen;
  rs: Pen;
  stranger: Pen;
  strangersRsa: Pen;
  /** A good token of another run. */
  another: Base;
}

export interface Special {
  /** The only places that it can be sent to. */
  only?: 'forms' | 'what takes any text';
  /** It is a token of ours all the same: to revoke it is no confusion. */
  ours?: true;
}

type Make = (base: Base, pens: Pens) => string | Promise<string>;

/** `says`: how it is refused where anything is said, so that no row is refused for another reason than its own. */
export type Row = [name: string, make: Make, says: RegExp, special?: Special];

const MALFORMED = /^The (token has \d+ parts|(header|payload|signature) of the token is not (base64url|JSON in UTF-8|a JSON object))/;
export const HEADER = /^The header of the token must have alg, kid, typ and nothing else/;
const UNKNOWN_KEY = /^The key that the token names is not one that is trusted/;
/** The row decides, by the database's clock. */
const TIMES = /^The token was revoked, or has expired, or is not valid yet/;
const ALG = /^The alg of the token is not that of the key it names/;
const SIGNATURE = /^The signature of the token is not valid/;
export const TYP = /^The typ of the token must be at\+jwt/;
const TWICE = /^The (header|payload) of the token has a key twice/;
const CLAIMS = /^The (claims of the token are not those of a task token|sub of the token is not the run|times of the token contradict)/;

const signatureIn = ({ token }: Base): string => token.split('.')[2] as string;
const bodyOf = ({ token }: Base): string => token.slice(0, token.lastIndexOf('.'));
const json = (value: object): string => JSON.stringify(value);
/** The text of an object with one more member, first or last. */
const first = (value: object, member: string): string => `{${member},${json(value).slice(1)}`;
const last = (value: object, member: string): string => `${json(value).slice(0, -1)},${member}}`;
const without = (value: object, name: string): object => Object.fromEntries(Object.entries(value).filter(([key]) => key !== name));

/** By the service's own key, unless told otherwise. */
type Signer = 'es' | 'rs' | 'stranger';
const withHeader =
  (more: object, by: Signer = 'es'): Make =>
  ({ header, claims }, pens) =>
    forged({ ...header, ...more }, claims, pens[by]);
const withClaims =
  (more: object | ((base: Base, pens: Pens) => object), by: Signer = 'es'): Make =>
  (base, pens) =>
    forged(base.header, { ...base.claims, ...(typeof more === 'function' ? more(base, pens) : more) }, pens[by]);
const withPayload =
  (payload: (claims: string) => Part): Make =>
  ({ header, claims }, { es }) =>
    forged(header, payload(json(claims)), es);
const withSignature =
  (signature: (base: Base, pens: Pens) => Buffer | string): Make =>
  (base, pens) => {
    const made = signature(base, pens);
    return `${bodyOf(base)}.${Buffer.isBuffer(made) ? made.toString('base64url') : made}`;
  };

/** The public keys in all the forms in which somebody may have put them into a verifier as the secret of a MAC. */
const SECRETS = (['es', 'rs'] as const).flatMap((name): [string, (pens: Pens) => string | Buffer][] => {
  const spki = (pens: Pens) => createPublicKey({ key: pens[name].jwk as never, format: 'jwk' });
  return [
    [`${name} in PEM`, (pens) => spki(pens).export({ type: 'spki', format: 'pem' })],
    [`${name} in PEM, trimmed`, (pens) => String(spki(pens).export({ type: 'spki', format: 'pem' })).trim()],
    [`${name} in DER`, (pens) => spki(pens).export({ type: 'spki', format: 'der' })],
    [`${name} as JWK`, (pens) => json(pens[name].jwk)],
    [`${name} as it is published`, ({ [name]: { jwk, alg, kid } }) => json({ ...jwk, use: 'sig', alg, kid })],
    [`${name} as raw numbers`, (pens) => rawNumbers(pens[name])],
    [`the kid of ${name}`, (pens) => pens[name].kid],
  ];
});
const rawNumbers = ({ jwk: { x, y, n } }: Pen): Buffer =>
  n
    ? Buffer.from(n, 'base64url')
    : Buffer.from(`04${[x, y].map((one) => Buffer.from(one ?? '', 'base64url').toString('hex')).join('')}`, 'hex');

export const now = () => Math.floor(Date.now() / 1000);
const EVIL = 'https://canary.example';

export const HOSTILE_TOKENS: Row[] = [
  ...['none', 'None', 'NONE', 'nOnE', 'none ', ''].flatMap((alg): Row[] => [
    [`alg ${json([alg])} without a signature`, (base) => `${part({ ...base.header, alg })}.${part(base.claims)}.`, MALFORMED],
    [
      `alg ${json([alg])} with the signature of before`,
      (base) => `${part({ ...base.header, alg })}.${part(base.claims)}.${signatureIn(base)}`,
      ALG,
    ],
  ]),
  ['alg none and no third part', (base) => `${part({ ...base.header, alg: 'none' })}.${part(base.claims)}`, MALFORMED],
  ...[null, 17, ['ES256'], { alg: 'ES256' }, 'es256', 'ES384', 'ES256K', 'PS256', 'EdDSA', 'dir'].map(
    (alg): Row => [`alg ${json([alg])}`, withHeader({ alg }), ALG],
  ),
  ['alg missing', (base, { es }) => forged(without(base.header, 'alg'), base.claims, es), HEADER],

  ...SECRETS.flatMap(([name, secret]) =>
    ['HS256', ...(name.endsWith('PEM') ? ['HS384', 'HS512'] : [])].map(
      (alg): Row => [`${alg} by the public key ${name}`, (base, pens) => maced({ ...base.header, alg }, base.claims, secret(pens)), ALG],
    ),
  ),
  ['HS256 by no key', (base) => maced({ ...base.header, alg: 'HS256' }, base.claims, ''), ALG],
  ['HS256 that calls itself ES256', (base, { es }) => maced(base.header, base.claims, rawNumbers(es)), SIGNATURE],
  ['RS256 under the kid of the ES256 key', withHeader({ alg: 'RS256' }, 'rs'), ALG],
  ['ES256 under the kid of the RS256 key', (base, { es, rs }) => forged({ ...base.header, kid: rs.kid }, base.claims, es), ALG],
  ['the RS256 key that calls itself ES256', withHeader({}, 'rs'), SIGNATURE],
  [
    'the ES256 key that calls itself RS256',
    (base, { es, rs }) => forged({ ...base.header, alg: 'RS256', kid: rs.kid }, base.claims, es),
    ALG,
  ],

  ['a signature of zeros', withSignature(() => esSignature(0n, 0n)), SIGNATURE],
  ['r = 0', withSignature(() => esSignature(0n, 1n)), SIGNATURE],
  ['s = 0', withSignature(() => esSignature(1n, 0n)), SIGNATURE],
  ['r = s = 1', withSignature(() => esSignature(1n, 1n)), SIGNATURE],
  ['r and s of the order of the curve', withSignature(() => esSignature(ofOrder(), ofOrder())), SIGNATURE],
  ['r and s of zero, as DER', withSignature(() => Buffer.from('3006020100020100', 'hex')), SIGNATURE],
  ['the signature as DER', withSignature((base, { es }) => signatureOf(bodyOf(base), es, 'der')), SIGNATURE],
  ['one byte less of the signature', withSignature((base, { es }) => signatureOf(bodyOf(base), es).subarray(1)), SIGNATURE],
  ['one byte less at its end', withSignature((base, { es }) => signatureOf(bodyOf(base), es).subarray(0, 63)), SIGNATURE],
  ['one byte more', withSignature((base, { es }) => Buffer.concat([signatureOf(bodyOf(base), es), Buffer.alloc(1)])), SIGNATURE],
  [
    'the signature twice',
    withSignature((base, { es }) => Buffer.concat([signatureOf(bodyOf(base), es), signatureOf(bodyOf(base), es)])),
    SIGNATURE,
  ],
  ['a signature of 12 KiB', withSignature(() => Buffer.alloc(9_000)), SIGNATURE],
  ['r and s the other way round', withSignature(({ token }) => swappedHalves(token)), SIGNATURE],
  ['the signature of another token', withSignature((_, { another }) => signatureIn(another)), SIGNATURE],
  ['the signature of the payload alone', withSignature((base, { es }) => signatureOf(part(base.claims), es)), SIGNATURE],
  ['no signature', withSignature(() => ''), MALFORMED],
  [
    'the payload of another token',
    (base, { another }) => [base, another, base].map(({ token }, index) => token.split('.')[index]).join('.'),
    SIGNATURE,
  ],
  [
    'more scopes, and the signature of before',
    (base) => `${part(base.header)}.${part({ ...base.claims, scope: '*' })}.${signatureIn(base)}`,
    SIGNATURE,
  ],
  [
    'no cnf, and the signature of before',
    (base) => `${part(base.header)}.${part({ ...without(base.claims, 'cnf'), x: 1 })}.${signatureIn(base)}`,
    SIGNATURE,
  ],
  [
    'whitespace in the payload, and the signature of before',
    (base) => `${part(base.header)}.${part(` ${json(base.claims)}`)}.${signatureIn(base)}`,
    SIGNATURE,
  ],

  ['no kid', (base, { es }) => forged(without(base.header, 'kid'), base.claims, es), HEADER],
  ...[
    ...[
      'canary',
      '../../../../dev/null',
      '/canary/../dev/null',
      "' or '1'='1' -- canary",
      '"; drop table signing_key; -- canary',
      `${EVIL}/jwks`,
    ],
    ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', '*', '%', '_', 'a\u0000b', 'ключ', '\ud800', 'k'.repeat(8_000)],
    ...[17, 0, true, null, [], {}, ['kid'], { kid: 'kid' }],
  ].map((kid): Row => [`kid ${json([kid]).slice(0, 60)}`, withHeader({ kid }), UNKNOWN_KEY]),
  ['kid in an array', (base, { es }) => forged({ ...base.header, kid: [base.header.kid] }, base.claims, es), UNKNOWN_KEY],
  ['kid with a space', (base, { es }) => forged({ ...base.header, kid: ` ${base.header.kid}` }, base.claims, es), UNKNOWN_KEY],
  [
    'kid with what follows a zero',
    (base, { es }) => forged({ ...base.header, kid: `${base.header.kid}\u0000canary` }, base.claims, es),
    UNKNOWN_KEY,
  ],
  ['kid in other letters', (base, { es }) => forged({ ...base.header, kid: swapped(base.header.kid) }, base.claims, es), UNKNOWN_KEY],

  ...(['stranger', 'es'] as const).flatMap((by) =>
    (
      [
        ['jwk', ({ stranger }) => ({ jwk: stranger.jwk })],
        ['jwk, ours', ({ es }) => ({ jwk: es.jwk })],
        ['jku', () => ({ jku: `${EVIL}/jwks.json` })],
        ['jku, ours and theirs', () => ({ jku: `${HERE}${JWKS}?@canary.example` })],
        ['x5u', () => ({ x5u: `${EVIL}/certificate.pem` })],
        ['x5c', ({ stranger }) => ({ x5c: [part(rawNumbers(stranger))] })],
        ['x5t and x5t#S256', () => ({ x5t: 'canary', 'x5t#S256': 'canary' })],
        ['iss in the header', () => ({ iss: HERE })],
        ['cty JWT', () => ({ cty: 'JWT' })],
        ['an unknown member', () => ({ canary: 1 })],
        ['crit that is empty', () => ({ crit: [] })],
        ['crit with what it names', () => ({ crit: ['exp'], exp: 1 })],
        ['crit with what is not there', () => ({ crit: ['canary'] })],
        ['crit with alg', () => ({ crit: ['alg'] })],
        ['b64 true', () => ({ b64: true, crit: ['b64'] })],
      ] as [string, (pens: Pens) => object][]
    ).map(
      ([name, more]): Row => [
        `${name}, by ${by === 'es' ? 'our own key' : 'that of an attacker'}`,
        (base, pens) => forged({ ...base.header, ...more(pens) }, base.claims, pens[by]),
        HEADER,
      ],
    ),
  ),
  ['by the key of an attacker, under our kid', withClaims({ scope: '*' }, 'stranger'), SIGNATURE],
  [
    'by the key of an attacker, under its own kid',
    (base, { stranger }) => forged({ ...base.header, kid: stranger.kid }, base.claims, stranger),
    UNKNOWN_KEY,
  ],
  [
    'by the RSA key of an attacker, under our kid',
    (base, { rs, strangersRsa }) => forged({ ...base.header, alg: 'RS256', kid: rs.kid }, base.claims, strangersRsa),
    ALG,
  ],
  [
    'of another run, by the key of an attacker',
    (base, { stranger, another }) => forged(base.header, { ...base.claims, ...of(another), jti: base.claims.jti }, stranger),
    SIGNATURE,
  ],
  ['the sub of another run', withClaims((_, { another }) => ({ sub: another.claims.sub })), CLAIMS],
  ['the task of another run', withClaims((_, { another }) => ({ task: another.claims.task })), CLAIMS],
  ['the run after', withClaims({ run: 1 }), CLAIMS],

  [
    'b64 false, with the payload as it is',
    (base, pens) => resigned(`${part({ ...base.header, b64: false, crit: ['b64'] })}.${json(base.claims)}`, pens),
    MALFORMED,
  ],
  ['b64 false, and dots in it', (base) => `${part({ ...base.header, b64: false, crit: ['b64'] })}..${signatureIn(base)}`, MALFORMED],
  ['zip DEF, compressed', (base, { es }) => forged({ ...base.header, zip: 'DEF' }, deflateRawSync(json(base.claims)), es), MALFORMED],
  ['zip DEF, not compressed', withHeader({ zip: 'DEF' }), HEADER],
  ['a token in a token', (base, { es }) => forged({ ...base.header, cty: 'JWT' }, base.token, es), MALFORMED],
  [
    'a token in a token, by an attacker',
    (base, { stranger }) => forged({ ...base.header, kid: stranger.kid }, base.token, stranger),
    MALFORMED,
  ],
  ['encrypted for our own key', (base, { rs }) => encrypted(base.token, rs), MALFORMED],
  [
    'five parts, dir',
    (base) => `${part({ ...base.header, alg: 'dir', enc: 'A128GCM' })}..${part('iv')}.${part(base.claims)}.${part('tag')}`,
    MALFORMED,
  ],
  [
    'JSON, flattened',
    (base) => json({ protected: part(base.header), payload: part(base.claims), signature: signatureIn(base) }),
    MALFORMED,
  ],
  [
    'JSON, general',
    (base) => json({ payload: part(base.claims), signatures: [{ protected: part(base.header), signature: signatureIn(base) }] }),
    MALFORMED,
  ],
  [
    'JSON, with an unprotected header',
    (base) => json({ header: { kid: base.header.kid }, payload: part(base.claims), signature: signatureIn(base) }),
    MALFORMED,
  ],
  ['a list of tokens', (base) => json([base.token]), MALFORMED],

  ...[
    'JWT',
    'jwt',
    'AT+JWT',
    'At+Jwt',
    'application/at+jwt',
    'at+jwt ',
    'at+jwt; v=1',
    'at',
    '',
    'dpop+jwt',
    'statuslist+jwt',
    'logout+jwt',
    null,
    17,
    ['at+jwt'],
  ].map((typ): Row => [`typ ${json([typ])}`, withHeader({ typ }), TYP]),
  ['no typ', (base, { es }) => forged(without(base.header, 'typ'), base.claims, es), HEADER],

  ...(
    [
      ['alg', '"none"'],
      ['kid', '"canary"'],
      ['typ', '"JWT"'],
      ['\\u0061lg', '"none"'],
    ] as const
  ).flatMap(([name, value]): Row[] => [
    [`${name} twice in the header, ours last`, (base, { es }) => forged(first(base.header, `"${name}":${value}`), base.claims, es), TWICE],
    [`${name} twice in the header, ours first`, (base, { es }) => forged(last(base.header, `"${name}":${value}`), base.claims, es), TWICE],
  ]),
  ...(
    [
      ['scope', '"*"'],
      ['aud', `"${EVIL}"`],
      ['exp', '9999999999'],
      ['jti', '"canary"'],
      ['sub', '"canary"'],
      ['\\u0073cope', '"*"'],
      ['canary', '{"a":1,"a":2}'],
    ] as const
  ).flatMap(([name, value]): Row[] => [
    [`${name} twice in the payload, ours last`, (base, { es }) => forged(base.header, first(base.claims, `"${name}":${value}`), es), TWICE],
    [`${name} twice in the payload, ours first`, (base, { es }) => forged(base.header, last(base.claims, `"${name}":${value}`), es), TWICE],
  ]),

  ['junk after the payload', withPayload((claims) => `${claims}canary`), MALFORMED],
  ['two payloads', withPayload((claims) => `${claims}${claims}`), MALFORMED],
  ['a comma at the end of the payload', withPayload((claims) => claims.replace(/\}$/, ',}')), MALFORMED],
  ['a comment in the payload', withPayload((claims) => claims.replace(/\}$/, '/*canary*/}')), MALFORMED],
  ['a zero after the payload', withPayload((claims) => `${claims}\u0000`), MALFORMED],
  ['a byte order mark', withPayload((claims) => `\ufeff${claims}`), MALFORMED],
  ['UTF-16', withPayload((claims) => Buffer.from(claims, 'utf16le')), MALFORMED],
  ['Latin-1', withPayload((claims) => Buffer.from(claims.replace(/\}$/, ',"x":"é"}'), 'latin1')), MALFORMED],
  [
    'an overlong encoding',
    withPayload((claims) =>
      Buffer.concat([Buffer.from(claims.slice(0, -1)), Buffer.from([0x2c, 0x22, 0xc1, 0xa1, 0x22, 0x3a, 0x31, 0x7d])]),
    ),
    MALFORMED,
  ],
  ...['', '[]', 'null', '17', '"canary"', '{', '[{}]', '['.repeat(5_000)].map(
    (payload): Row => [`the payload ${json([payload]).slice(0, 30)}`, withPayload(() => payload), MALFORMED],
  ),
  ['an empty object', withPayload(() => '{}'), CLAIMS],
  ['claims by a prototype', withPayload((claims) => `{"__proto__":${claims}}`), CLAIMS],
  [
    'objects within objects',
    withPayload((claims) => claims.replace(/\}$/, `,"x":${'{"a":'.repeat(1_500)}1${'}'.repeat(1_501)}`).replace('"iss"', '"ISS"')),
    CLAIMS,
  ],
  ['the header in an array', (base, { es }) => forged(`[${json(base.header)}]`, base.claims, es), MALFORMED],
  ['a byte order mark before the header', (base, { es }) => forged(`\ufeff${json(base.header)}`, base.claims, es), MALFORMED],

  ['padding', ({ token }) => `${token}==`, MALFORMED],
  ['padding of the payload', (base, pens) => resigned(`${part(base.header)}.${part(stuffed(base, 1))}==`, pens), MALFORMED],
  [
    'other bits after the end of the payload',
    (base, pens) => resigned(`${part(base.header)}.${loose(part(stuffed(base, 1)))}`, pens),
    MALFORMED,
  ],
  ['other bits after the end of the signature', (base) => loose(base.token), MALFORMED],
  [
    'the alphabet of base64',
    (base, pens) =>
      resigned(
        `${part(base.header)}.${Buffer.from(json({ ...base.claims, x: '??????' }))
          .toString('base64')
          .replace(/=+$/, '')}`,
        pens,
      ),
    MALFORMED,
  ],
  ['a point before', ({ token }) => `.${token}`, MALFORMED],
  ['a point after', ({ token }) => `${token}.`, MALFORMED],
  ['two points in the middle', ({ token }) => token.replace('.', '..'), MALFORMED],
  ['commas for points', ({ token }) => token.replaceAll('.', ','), MALFORMED],
  ['two tokens', (base, { another }) => `${base.token} ${another.token}`, MALFORMED],
  ['two tokens with a comma', (base, { another }) => `${base.token},${another.token}`, MALFORMED],
  ['quotes', ({ token }) => `"${token}"`, MALFORMED],
  ['a name before', ({ token }) => `jwt=${token}`, MALFORMED],
  ['percent-encoded points', ({ token }) => token.replaceAll('.', '%2E'), MALFORMED],
  [
    'other digits, of full width',
    ({ token }) => token.replace(/[0-9]/g, (digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0)),
    MALFORMED,
  ],
  ['a space within', ({ token }) => token.replace('.', '. '), MALFORMED],
  ['a tab within', ({ token }) => token.replace('.', '.\t'), MALFORMED],
  // a header is trimmed by HTTP, and cannot hold line breaks: nobody's reading of it could differ
  ['a space before', ({ token }) => ` ${token}`, MALFORMED, { only: 'forms' }],
  ['a space after', ({ token }) => `${token} `, MALFORMED, { only: 'forms' }],
  ['a line feed after', ({ token }) => `${token}\n`, MALFORMED, { only: 'forms' }],
  ['lines of 76 characters', ({ token }) => (token.match(/.{1,76}/g) ?? []).join('\r\n'), MALFORMED, { only: 'forms' }],

  ...(
    [
      ['as a text', ({ claims }) => ({ exp: String(claims.exp) })],
      ['negative', () => ({ exp: -1 })],
      ['zero', () => ({ exp: 0 })],
      ['null', () => ({ exp: null })],
      ['true', () => ({ exp: true })],
      ['in an array', ({ claims }) => ({ exp: [claims.exp] })],
      ['with a fraction', ({ claims }) => ({ exp: claims.exp + 0.5 })],
      ['in milliseconds', ({ claims }) => ({ exp: claims.exp * 1000 })],
      ['in years', ({ claims }) => ({ exp: claims.exp + 366 * 86_400 })],
      ['before it began', ({ claims }) => ({ exp: claims.iat - 1 })],
    ] as [string, (base: Base) => object][]
  ).map(([name, more]): Row => [`exp ${name}`, withClaims(more), CLAIMS]),
  ['exp 1e400', withPayload((claims) => claims.replace(/"exp":\d+/, '"exp":1e400')), CLAIMS],
  ['exp in the past', withClaims(() => ({ iat: now() - 900, nbf: now() - 900, exp: now() - 1 })), TIMES, { ours: true }],
  ['nbf in the future', withClaims(() => ({ nbf: now() + 300 })), TIMES, { ours: true }],
  ['iat in the future', withClaims(() => ({ iat: now() + 300 })), TIMES, { ours: true }],
  ['nbf as a text', withClaims(({ claims }) => ({ nbf: String(claims.nbf) })), CLAIMS],
  ...['iss', 'sub', 'aud', 'client_id', 'iat', 'nbf', 'exp', 'jti', 'task', 'run', 'worker', 'fence', 'status'].map(
    (name): Row => [`no ${name}`, (base, { es }) => forged(base.header, without(base.claims, name), es), CLAIMS],
  ),

  ...[[HERE], [HERE, EVIL], [EVIL, HERE], '', null, 17, { aud: HERE }, `${HERE} ${EVIL}`].map(
    (aud): Row => [`aud ${json([aud])}`, withClaims({ aud }), CLAIMS],
  ),
  ...[`${HERE}/`, HERE.toUpperCase(), HERE.replace('https', 'http'), `${HERE}.canary.example`, `${EVIL}/${HERE}`, EVIL].map(
    (iss): Row => [`iss ${iss}`, withClaims({ iss }), /^The token was issued by another/],
  ),
  ...['', null, 17, [HERE]].map((iss): Row => [`iss ${json([iss])}`, withClaims({ iss }), CLAIMS]),

  ...['a:b  c:d', ' a:b', 'a:b ', 'a:b\tc:d', 'a:b\u00a0c:d', 'a:b\nc:d', 'a:b\u0000', '', '"*"', ['*'], { '*': 1 }, null].map(
    (scope): Row => [`scope ${json([scope])}`, withClaims({ scope }), CLAIMS],
  ),
  ...[{}, null, 'canary', { jkt: 'canary' }, { 'x5t#S256': 'canary' }, { jkt: 'x'.repeat(43), jwk: {} }, []].map(
    (cnf): Row => [`cnf ${json([cnf])}`, withClaims({ cnf }), CLAIMS],
  ),
  ...[-1, 1.5, '1', null].map((fence): Row => [`fence ${json([fence])}`, withClaims({ fence }), CLAIMS]),
  ['a jti that we never gave', withClaims(() => ({ jti: slugid() })), /^The token was revoked, or has expired/],

  ['7 KiB of letters', () => 'canary'.repeat(1_200), MALFORMED],
  ['7 KiB of points', () => '.'.repeat(7_168), MALFORMED],
  [
    'a little more than 16 KiB, signed',
    withClaims({ x: 'x'.repeat(12_000) }),
    /^The token is longer than 16384 characters/,
    { only: 'what takes any text' },
  ],
];

function swapped(text: string): string {
  return text.replace(/[a-z]/gi, (letter) => (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()));
}

/** What names the run in a token. */
function of({ claims: { sub, task, run: runId, client_id } }: Base): object {
  return { sub, task, run: runId, client_id };
}

const resigned = (text: string, { es }: Pens): string => `${text}.${signatureOf(text, es).toString('base64url')}`;

/** As strangers encrypt for whoever publishes an RSA key. */
async function encrypted(token: string, { jwk, kid }: Pen): Promise<string> {
  const header = { alg: 'RSA-OAEP-256', enc: 'A128GCM', cty: 'JWT', kid };
  return new CompactEncrypt(Buffer.from(token)).setProtectedHeader(header).encrypt(await importJWK(jwk, header.alg));
}

function swappedHalves(token: string): Buffer {
  const both = Buffer.from(token.slice(token.lastIndexOf('.') + 1), 'base64url');
  return Buffer.concat([both.subarray(32), both.subarray(0, 32)]);
}

/** Claims whose base64url ends in the middle of a group, with so many bytes in the last one. */
function stuffed({ claims }: Base, bytes: number): string {
  for (const x of ['', 'x', 'xx']) if (json({ ...claims, x }).length % 3 === bytes) return json({ ...claims, x });
  throw new Error('one of three lengths must fit');
}
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** The same bytes for a decoder that does not look at the bits that are left over. */
function loose(text: string): string {
  const changed = text.slice(0, -1) + ALPHABET[ALPHABET.indexOf(text.at(-1) as string) ^ 1];
  const tail = (one: string) => Buffer.from(one.split('.').at(-1) as string, 'base64url').toString('hex');
  if (tail(changed) !== tail(text)) throw new Error('these are other bytes');
  return changed;
}
