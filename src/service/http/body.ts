import { type ArgumentMetadata, applyDecorators, Body, type PipeTransform } from '@nestjs/common';
import { ApiBody, ApiExtraModels, getSchemaPath } from '@nestjs/swagger';
import { type ValidationError, validateSync } from 'class-validator';
import { ApiError } from './api-error.js';
import { surelyFits } from './fits.js';
import { inTurns } from './in-turns.js';
import { fieldsOf, isPlainObject, type ListBounds } from './shape.js';

/** The request's body, as an instance of the parameter's class: defaults filled in, then checked. */
export function Payload(): ParameterDecorator {
  return Body(new BodyPipe());
}

type Classes = Record<string, new () => object>;

/** Documents a body that is of one of several classes; `field` says which. */
export function ApiOneOf(classes: Classes): MethodDecorator {
  const models = Object.values(classes);
  const oneOf = models.map((model) => ({ $ref: getSchemaPath(model) }));
  return applyDecorators(ApiExtraModels(...models), ApiBody({ required: true, schema: { oneOf } }));
}

/** The request's body, as an instance of the class that its `field` names. */
export function PayloadByField(field: string, classes: Classes): ParameterDecorator {
  return Body(new OneOfPipe(field, classes));
}

class OneOfPipe implements PipeTransform {
  constructor(
    private readonly field: string,
    private readonly classes: Classes,
  ) {}

  transform(value: unknown): Promise<object> {
    const word = (value as Record<string, unknown> | undefined)?.[this.field];
    const type = typeof word === 'string' && Object.hasOwn(this.classes, word) ? this.classes[word] : undefined;
    if (type) return inTurns(checking(type, value));
    if (value === undefined) throw noBody();
    const known = Object.keys(this.classes).join(', ');
    throw new ApiError('InputValidationError', `The body is not what this operation takes: ${this.field} must be one of ${known}`);
  }
}

class BodyPipe implements PipeTransform {
  transform(value: unknown, { metatype }: ArgumentMetadata): Promise<object> {
    if (value === undefined) throw noBody();
    return inTurns(checking(metatype as new () => object, value));
  }
}

function noBody(): ApiError {
  return new ApiError('MalformedPayload', 'This operation needs a JSON object as its body; send it with `content-type: application/json`');
}

const MOST_PROBLEMS = 20;

/**
 * Makes an instance of `type` of `value`, in as many steps as its lists have elements. Throws InputValidationError naming every field
 * that is wrong (the first 20) and the fix; what comes after those is not looked at.
 */
export function* checking<T extends object>(type: new () => T, value: unknown): Generator<void, T> {
  const problems: string[] = [];
  const instance = yield* check(type, value, '', problems);
  if (problems.length === 0) return instance;
  const more = problems.length > MOST_PROBLEMS ? ['… and more'] : [];
  const list = [...problems.slice(0, MOST_PROBLEMS), ...more].map((problem) => `  * ${problem}`).join('\n');
  throw new ApiError('InputValidationError', `The body is not what this operation takes:\n\n${list}`);
}

/** All steps at once: for a body without long lists. */
export function checked<T extends object>(type: new () => T, value: unknown): T {
  const steps = checking(type, value);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** A list of objects within the body, whose elements are not looked at yet. */
interface OpenList {
  type: new () => object;
  path: string;
  given: unknown[];
  elements: object[];
}

/** `path` is empty, or leads to the object and ends in a dot. */
function* check<T extends object>(type: new () => T, value: unknown, path: string, problems: string[]): Generator<void, T> {
  const before = problems.length;
  const lists: OpenList[] = [];
  const instance = instantiate(type, value, path, problems, lists);
  if (problems.length > before) return instance;
  if (!surelyFits(instance))
    problems.push(...flatten(validateSync(instance, { forbidUnknownValues: false, stopAtFirstError: true }), path));
  for (const { type, path, given, elements } of lists) {
    for (const [index, element] of given.entries()) {
      if (problems.length > MOST_PROBLEMS) return instance;
      elements.push(yield* check(type, element, `${path}[${index}].`, problems));
      yield;
    }
  }
  return instance;
}

/** Only declared fields are copied, so a key such as `__proto__` or `constructor` never reaches an object of ours. */
function instantiate<T extends object>(type: new () => T, value: unknown, path: string, problems: string[], lists: OpenList[]): T {
  const instance = new type();
  const fields = fieldsOf(type);
  for (const [key, { default: value }] of fields) {
    if (value !== undefined) (instance as Record<string, unknown>)[key] = typeof value === 'object' ? structuredClone(value) : value;
  }
  if (!isPlainObject(value)) {
    problems.push(`${path.slice(0, -1) || 'the body'} must be a JSON object`);
    return instance;
  }
  for (const [key, given] of Object.entries(value)) {
    if (problems.length > MOST_PROBLEMS) break;
    if (!fields.has(key)) {
      problems.push(`${path}${key.slice(0, 100)} is not a field of this object; known are: ${[...fields.keys()].join(', ')}`);
      continue;
    }
    const { type: inner, bounds } = fields.get(key)?.nested ?? {};
    let made: unknown = given;
    if (inner && bounds && Array.isArray(given)) made = openList(inner, bounds, given, path + key, problems, lists);
    else if (inner && !bounds && isPlainObject(given)) made = instantiate(inner, given, `${path}${key}.`, problems, lists);
    (instance as Record<string, unknown>)[key] = made;
  }
  return instance;
}

/** A list of the wrong length is refused before anything is made of it. */
function openList(
  type: new () => object,
  { minItems, maxItems }: ListBounds,
  given: unknown[],
  path: string,
  problems: string[],
  lists: OpenList[],
): object[] {
  const elements: object[] = [];
  if (given.length >= minItems && given.length <= maxItems) lists.push({ type, path, given, elements });
  else problems.push(`${path} has ${given.length} elements; this operation takes ${minItems} to ${maxItems}`);
  return elements;
}

function flatten(errors: ValidationError[], path: string): string[] {
  return errors.flatMap((error) => {
    const own = Object.values(error.constraints ?? {}).map((message) => located(message, path));
    return [...own, ...flatten(error.children ?? [], `${path}${error.property}.`)];
  });
}

function located(message: string, path: string): string {
  const each = 'each value in ';
  return message.startsWith(each) ? each + path + message.slice(each.length) : path + message;
}
