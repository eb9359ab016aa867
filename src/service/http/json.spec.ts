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
  ['{"__proto__":1}', /__proto__/],
  ['{"a":[{"b":{"__proto__":{}}}]}', /__proto__/],
  ['{"\\u005f_proto_\\u005f":1}', /__proto__/],
  ['{"a":"\\ud800"}', /surrogate/],
  ['{"a":["\\udc00\\ud800"]}', /surrogate/],
  ['{"\\ud83d":1}', /surrogate/],
  ['{"a":1e309}', /The number at a is too large/],
  ['{"a":{"b":[1,-1e999]}}', /The number at 1 is too large/],
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

it('quotes little of what it refuses', () => {
  expect(refusal(`{${'x'.repeat(100_000)}`)?.length).toBeLessThan(300);
});
