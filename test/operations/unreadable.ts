import type { ErrorCode } from '../../src/service/http/api-error.js';
import type { RequestOptions } from '../support/api.js';
import type { Parameter, Schema } from '../support/contract.js';
import { promisesOf, resolved } from '../support/contract.js';
import { changed, type Line, unchanged } from './line.js';
import type { Call, Operation } from './operation.js';
import type { World } from './world.js';

export const MALFORMED = '400 MalformedPayload';

/** Everything that openapi.yaml says of parameters and body, broken one by one, by the client that may do anything. */
export async function expectUnreadableRefused(line: Line, one: Operation, world: World): Promise<void> {
  const schema = line.route.operation.requestBody?.content?.['application/json']?.schema;
  for (const [index, alternative] of (schema?.oneOf ?? [schema]).entries()) {
    const call = await one.arrange(world, index);
    if (schema?.oneOf && alternative) expect(call.body).toMatchObject(wordsOf(resolved(alternative)));
    await unchanged(world, () => expectEachRefused(line, call, alternative && resolved(alternative), world));
  }
}

async function expectEachRefused(line: Line, call: Call, schema: Schema | undefined, world: World): Promise<void> {
  const { parameters = [] } = line.route.operation;
  const expectRefused = async (sent: Call, code: ErrorCode, name: string) => {
    expect(await line.refuse(world.root, sent, code)).toContain(name);
  };
  for (const [place, name, value] of [['query', 'nonsense', '1'] as const, ...parameters.flatMap(misfits)]) {
    await expectRefused(await changed(call, { [place]: { [name]: value } }, world), 'InvalidRequestArguments', name);
  }
  const { body: _, ...empty } = call;
  if (promisesOf(line.route).includes(MALFORMED)) {
    for (const text of ['{', '"x"']) expect(await line.refuse(world.root, empty, 'MalformedPayload', asJson(text))).toMatch(/JSON/);
  }
  if (!schema) return;
  await expectRefused(empty, 'MalformedPayload', 'application/json');
  await expectRefused({ ...empty, body: [] }, 'MalformedPayload', 'JSON object');
  for (const [name, value] of [['nonsense', 1] as const, ...misfittingFields(schema)]) {
    await expectRefused(await changed(call, { body: { [name]: value } }, world), 'InputValidationError', name);
  }
}

function asJson(body: string): RequestOptions {
  return { body, headers: { 'content-type': 'application/json' } };
}

/** Values of a parameter that do not fit its schema. */
function misfits({ name, in: place, schema }: Parameter): (readonly ['params' | 'query', string, string])[] {
  if (place === 'path') return [['params', name, schema.pattern ? misfit(schema.pattern, ['ä', '\0']) : '\0']];
  if (place !== 'query') return [];
  if (schema.type === 'integer') return ['', 'abc', '-1', '1.5'].map((value) => ['query', name, value] as const);
  if (schema.type === 'array') return [['query', name, '\0']]; // which may be empty
  return [['query', name, misfit(schema.pattern ?? '^.+$', ['', '\0'])]];
}

function misfit(pattern: string, candidates: string[]): string {
  const found = candidates.find((candidate) => !new RegExp(pattern).test(candidate));
  if (found === undefined) throw new Error(`${pattern} fits everything; give this check a value that it does not`);
  return found;
}

/** Fields that are null, of the wrong type, or missing. */
function misfittingFields({ properties = {}, required = [] }: Schema): (readonly [string, unknown])[] {
  const wrong = Object.entries(properties).flatMap(([name, field]) => [[name, null] as const, [name, wrongFor(field)] as const]);
  return [...wrong, ...required.map((name) => [name, undefined] as const)];
}

function wrongFor(field: Schema): unknown {
  return resolved(field).type === 'string' ? 17 : 'x';
}

/** What a class has in only one word, by which it is told from others. */
function wordsOf({ properties = {} }: Schema): Record<string, string | undefined> {
  const single = Object.entries(properties).filter(([, field]) => field.enum?.length === 1);
  expect(single).not.toEqual([]);
  return Object.fromEntries(single.map(([name, field]) => [name, field.enum?.[0]]));
}
