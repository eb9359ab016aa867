import type { ArgumentMetadata, PipeTransform } from '@nestjs/common';
import { Body } from '@nestjs/common';
import { type ValidationError, validateSync } from 'class-validator';
import { ApiError } from './api-error.js';
import { fieldsOf, isPlainObject, nestedType } from './shape.js';

/** The request's body, as an instance of the parameter's class: defaults filled in, then checked. */
export function Payload(): ParameterDecorator {
  return Body(new BodyPipe());
}

class BodyPipe implements PipeTransform {
  transform(value: unknown, { metatype }: ArgumentMetadata): object {
    if (value === undefined)
      throw new ApiError(
        'MalformedPayload',
        'This operation needs a JSON object as its body; send it with `content-type: application/json`',
      );
    return checked(metatype as new () => object, value);
  }
}

const MOST_PROBLEMS = 20;

/** An instance of `type` made of `value`. Throws InputValidationError naming every field that is wrong (the first 20) and the fix. */
export function checked<T extends object>(type: new () => T, value: unknown): T {
  const problems: string[] = [];
  const instance = instantiate(type, value, '', problems);
  if (problems.length === 0) problems.push(...flatten(validateSync(instance, { forbidUnknownValues: false, stopAtFirstError: true })));
  if (problems.length === 0) return instance;
  const more = problems.length > MOST_PROBLEMS ? ['… and more'] : [];
  const list = [...problems.slice(0, MOST_PROBLEMS), ...more].map((problem) => `  * ${problem}`).join('\n');
  throw new ApiError('InputValidationError', `The body is not what this operation takes:\n\n${list}`);
}

/** Only declared fields are copied, so a key such as `__proto__` or `constructor` never reaches an object of ours. */
function instantiate<T extends object>(type: new () => T, value: unknown, path: string, problems: string[]): T {
  const instance = new type();
  const fields = fieldsOf(type);
  for (const [key, defaultValue] of fields) {
    if (defaultValue !== undefined) (instance as Record<string, unknown>)[key] = structuredClone(defaultValue);
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
    (instance as Record<string, unknown>)[key] = instantiateField(type, key, given, path + key, problems);
  }
  return instance;
}

/** A list of the wrong length is refused before anything is made of it. What is of another kind is left to the checks. */
function instantiateField(holder: new () => object, key: string, given: unknown, path: string, problems: string[]): unknown {
  const { type, bounds } = nestedType(holder, key) ?? {};
  if (type && !bounds && isPlainObject(given)) return instantiate(type, given, `${path}.`, problems);
  if (!type || !bounds || !Array.isArray(given)) return given;
  const { minItems, maxItems } = bounds;
  if (given.length < minItems || given.length > maxItems) {
    problems.push(`${path} has ${given.length} elements; this operation takes ${minItems} to ${maxItems}`);
    return [];
  }
  const isEnough = () => problems.length > MOST_PROBLEMS;
  return given.map((item, index) => (isEnough() ? undefined : instantiate(type, item, `${path}[${index}].`, problems)));
}

function located(message: string, path: string): string {
  const each = 'each value in ';
  return message.startsWith(each) ? each + path + message.slice(each.length) : path + message;
}

/** Of an error in an element of a list the target is the list. */
function flatten(errors: ValidationError[], path = ''): string[] {
  return errors.flatMap((error) => {
    const own = Object.values(error.constraints ?? {}).map((message) => located(message, path && `${path}.`));
    const inner = Array.isArray(error.target) ? `${path}[${error.property}]` : `${path}${path && '.'}${error.property}`;
    return [...own, ...flatten(error.children ?? [], inner)];
  });
}
