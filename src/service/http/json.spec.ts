import fc from 'fast-check';
import { ApiError } from './api-error.js';
import { parseJson } from './json.js';

/** What is wrong with a text, if anything. */
function refusal(text: string): string | undefined {
  try {
    parseJson(text);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(ApiError);
    expect((error as ApiError).code).toBe('MalformedPayload');
    return (error as ApiError).message;
  }
}

const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

it('reads every object like JSON.parse', () => {
  const object = fc
    .dictionary(
      fc.string().filter((key) => key !== '__proto__'),
      fc.jsonValue({ maxDepth: 5 }),
    )
    .filter((value) => !JSON.stringify(value).includes('__proto__'));
  fc.assert(fc.property(object, (value) => expect(parseJson(JSON.stringify(value))).toEqual(JSON.parse(JSON.stringify(value)))));
});

it.each([
  ['', /^The body is not JSON/],
  ['{', /^The body is not JSON/],
  ["{'a':1}", /^The body is not JSON/],
  ['NaN', /^The body is not JSON/],
  ['1', /must be a JSON object/],
  ['"text"', /must be a JSON object/],
  ['null', /must be a JSON object/],
  ['true', /must be a JSON object/],
  ['[]', /must be a JSON object/],
  ['[{}]', /must be a JSON object/],
  ['{"__proto__":1}', /a key named __proto__, at __proto__$/],
  ['{"a":[{"b":{"__proto__":{}}}]}', /a key named __proto__, at a\.0\.b\.__proto__$/],
  ['{"\\u005f_proto_\\u005f":1}', /__proto__/],
  ['{"a":"\\ud800"}', /surrogate pair, .* at a$/],
  ['{"a":["x","\\udc00\\ud800"]}', /surrogate pair, .* at a\.1$/],
  ['{"payload":{"command":[{}],"env":{"A":"x","X":"\\ud800"}}}', /surrogate pair, .* at payload\.env\.X$/],
  ['{"\\ud83d":1}', /surrogate pair, .* at \ufffd$/],
  ['{"a":1e309}', /The number at a is too large/],
  ['{"a":{"b":[1,-1e999]}}', /The number at a\.b\.1 is too large/],
  [nested(101), /deeper than 100/],
  [`{"a":${'['.repeat(100)}${']'.repeat(100)}}`, /deeper than 100/],
])('refuses %s', (text, message) => {
  expect(refusal(text)).toMatch(message);
});

it.each([
  '{}',
  ' {"a" : [] } ',
  '{"constructor":1,"toString":{},"proto":1}',
  '{"a":"\\u0000"}',
  '{"a":"\\ud83d\\ude00"}',
  '{"a":1e308,"b":5e-324,"c":1e-400}',
  nested(100),
])('takes %s', (text) => {
  expect(refusal(text)).toBeUndefined();
});

it('takes depths that would exhaust a recursion, as a refusal', () => {
  expect(refusal(nested(200_000))).toMatch(/deeper than 100/);
});

it('finds the place among many, and below others that are too deep', () => {
  const many = Array.from({ length: 50_000 }, () => '{"a":[[]]}').join(',');
  const began = Date.now();
  expect(refusal(`{"b":[${many},{"c":1e400}]}`)).toMatch(/The number at b\.50000\.c is/);
  expect(refusal(`{"a":${nested(200_000)},"b":{"c":1e400}}`)).toMatch(/The number at b\.c is/);
  expect(Date.now() - began).toBeLessThan(5_000);
});

it('refuses more values than anybody sends, soon', () => {
  const began = Date.now();
  for (const one of ['0', '{}', '[]', '"a"', '{"a":0}']) {
    expect(refusal(`{"a":[${`${one},`.repeat(Math.floor(10_000_000 / (one.length + 1)))}${one}]}`)).toMatch(/more than 300000 values/);
  }
  const keys = Array.from({ length: 800_000 }, (_, index) => `"k${index}":0`).join(',');
  expect(refusal(`{${keys}}`)).toMatch(/more than 300000 values/);
  expect(Date.now() - began).toBeLessThan(10_000); // six times 10 MiB; it was four seconds each
  expect(refusal(`{"a":[${'0,'.repeat(250_000)}0]}`)).toBeUndefined();
});

it('quotes little of what it refuses', () => {
  expect(refusal(`{${'x'.repeat(100_000)}`)?.length).toBeLessThan(300);
  const key = '\u{1f600}'.repeat(100_000);
  for (const value of ['1e400', '"\\ud800"', '{"__proto__":1}']) {
    const message = refusal(`{"a":{"${key}":${value}}}`);
    expect(message).toMatch(/ at a\.\u{1f600}+/u);
    expect(message?.length).toBeLessThan(300);
    expect(message?.isWellFormed()).toBe(true);
  }
});

it('looks for too many values only outside of strings', () => {
  const text = String.raw`"[{,\",[{\\\",{}\\"`;
  expect(JSON.parse(text)).toContain('[{,');
  const body = `{"a":[${Array(100_000).fill(text).join(',')}],"b":${JSON.stringify('[{,'.repeat(700_000))}}`;
  expect(parseJson(body)).toEqual(JSON.parse(body));
});

it('refuses too many values before it makes anything of them', () => {
  for (const one of ['{}', '[]', '""', '0']) {
    const body = `{"a":[${`${one},`.repeat(Math.floor(10_000_000 / (one.length + 1)))}${one}]}`;
    const before = process.memoryUsage().heapUsed;
    expect(refusal(body)).toMatch(/more than 300000 values/);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(50_000_000); // parsed it takes up to 250 MB
  }
  expect(refusal(`{"a":${'['.repeat(5_000_000)}${']'.repeat(5_000_000)}}`)).toMatch(/more than 300000 values/);
});
