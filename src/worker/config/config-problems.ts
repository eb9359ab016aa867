import type { ErrorObject } from 'ajv/dist/2020.js';

/** What is wrong with a configuration, member by member, with the fix. Never a value: some are secret. */
export function configProblems(errors: readonly ErrorObject[]): string[] {
  const told = errors.filter((error) => !isPartOfChoice(error));
  return [...new Set(told.map(problem))];
}

/** Of `oneOf` each branch complains, and then it does. */
const isPartOfChoice = ({ schemaPath }: ErrorObject) => /\/oneOf\/\d+\//.test(schemaPath);

function problem(error: ErrorObject): string {
  const { instancePath, keyword, params, parentSchema } = error;
  const member = nameOf(instancePath);
  const within = member === '' ? '' : `${member}.`;
  if (keyword === 'additionalProperties') return `${within}${params.additionalProperty}: is no member; there ${known(parentSchema)}`;
  if (keyword === 'required')
    return `${within}${params.missingProperty}: is missing${meaning(parentSchema?.properties?.[params.missingProperty])}`;
  if (keyword === 'oneOf') return `${member}: give one of ${choices(parentSchema)}, and just one`;
  if (keyword === 'propertyNames' || error.propertyName !== undefined)
    return `${within}…: a name there has a letter or digit first, then letters, digits and . _ / : @ -, 256 at most`;
  return `${member || 'the file'}: ${expected(error)}${meaning(parentSchema)}`;
}

function expected({ keyword, params, message }: ErrorObject): string {
  if (keyword === 'enum') return `must be one of ${params.allowedValues.join(', ')}`;
  if (keyword === 'pattern') return `must match ${params.pattern}`;
  return message ?? 'is wrong';
}

const nameOf = (instancePath: string) => instancePath.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~');
const known = (schema: ErrorObject['parentSchema']) => `are ${Object.keys(schema?.properties ?? {}).join(', ')}`;
const choices = (schema: ErrorObject['parentSchema']) =>
  (schema?.oneOf ?? [])
    .map(({ title, required = [] }: { title?: string; required?: string[] }) => title ?? required.join(' and '))
    .join(', ');
const meaning = (schema: ErrorObject['parentSchema']) => (schema?.description === undefined ? '; set it' : ` (${schema.description})`);
