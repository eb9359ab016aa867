import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { shownName } from '../../../signatures/json-value.js';
import type { PayloadProblem } from '../malformed-payload.js';
import { PAYLOAD_SCHEMA } from '../payload-schema.js';

const compiled = (allErrors: boolean) =>
  new Ajv2020({ allErrors, verbose: true, useDefaults: true, allowUnionTypes: true }).compile(PAYLOAD_SCHEMA);
const validate = compiled(false);
/** Does not stop at the first problem. Made when it is needed: that takes 150 ms of a busy machine. */
let validateOn: ValidateFunction | undefined;

/** Characters of JSON. In longer ones only the first problem is looked for: those that are made of problems would hold up the worker for seconds. */
const SHORT = 16_384;

/** What the schema finds wrong with a payload. Where it is nothing, all defaults are there afterwards, in the payload itself. */
export function schemaProblems(payload: unknown): PayloadProblem[] {
  if (validate(payload)) return [];
  let errors = validate.errors ?? [];
  if (JSON.stringify(payload).length <= SHORT) {
    validateOn ??= compiled(true);
    validateOn(payload);
    errors = validateOn.errors ?? errors;
  }
  const telling = errors.filter(isTelling);
  return [...new Set((telling.length > 0 ? telling : errors).map((error) => `${pathOf(error)} ${complaintOf(error)}`))];
}

/** The branches of a choice say less than the choice. */
const isTelling = ({ schemaPath, keyword }: ErrorObject) => !/\/(one|any)Of\/\d/.test(schemaPath) && keyword !== 'propertyNames';

function pathOf({ instancePath, propertyName }: ErrorObject): string {
  const segments = instancePath.split('/').slice(1);
  const path = segments.map((segment) => (/^\d+$/.test(segment) ? `[${segment}]` : `.${shownName(unescaped(segment))}`));
  return `payload${path.join('')}${propertyName === undefined ? '' : `.${shownName(propertyName)}`}`;
}

/** Of a JSON pointer. */
const unescaped = (segment: string) => segment.replaceAll('~1', '/').replaceAll('~0', '~');

const COMPLAINTS: Record<string, (error: ErrorObject) => string> = {
  additionalProperties: ({ params, parentSchema }) =>
    `has no member ${shownName(params.additionalProperty)}; it may have ${Object.keys(parentSchema?.properties).join(', ')}`,
  required: ({ params }) => `must have the member ${params.missingProperty}`,
  oneOf: () => 'must have either a command or a script',
  anyOf: () => 'must have env, file or both: where the step is to find the secret',
  enum: ({ params }) => `must be ${params.allowedValues.join(', ').replace(/, (\w+)$/, ' or $1')}`,
  const: ({ params }) => `must be ${JSON.stringify(params.allowedValue)}`,
  pattern: ({ parentSchema }) => `must be a ${parentSchema?.description}`,
  type: ({ params }) => `must be ${String(params.type).replaceAll(',', ' or ')}`,
};

const complaintOf = (error: ErrorObject) => COMPLAINTS[error.keyword]?.(error) ?? `${error.message}`.replace('NOT', 'not');
