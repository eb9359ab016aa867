export interface Schema {
  description?: string;
  default?: unknown;
  enum?: readonly unknown[];
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema;
  required?: readonly string[];
}

/** The members of a configuration, as a table in Markdown: by their path, with their defaults and what the schema says of each. */
export function membersTable(schema: Schema): string {
  const rows = rowsOf(schema, '');
  return ['| member | default | meaning |', '|---|---|---|', ...rows, ''].join('\n');
}

function rowsOf({ properties = {}, required = [] }: Schema, above: string): string[] {
  return Object.entries(properties).flatMap(([name, member]) => {
    const place = `${above}${name}`;
    const below = rowsOf(member, `${place}.`);
    const own = member.description === undefined && below.length > 0 ? [] : [rowOf(place, member, required.includes(name))];
    return [...own, ...below, ...entriesOf(member, place)];
  });
}

/** Members whose names are the user's, and those of each element of a list. */
function entriesOf({ additionalProperties, items = {} }: Schema, place: string): string[] {
  const areDescribed = Object.values(items.properties ?? {}).some(({ description }) => description !== undefined);
  if (areDescribed) return rowsOf(items, `${place}[].`);
  return typeof additionalProperties === 'object' ? rowsOf(additionalProperties, `${place}.<name>.`) : [];
}

function rowOf(place: string, { description = '', default: preset, properties, enum: values }: Schema, isRequired: boolean): string {
  const shown = preset === undefined || properties ? (isRequired ? 'required' : '–') : `\`${JSON.stringify(preset)}\``;
  const choice = values ? `: ${values.map((value) => `\`${value}\``).join(', ')}` : '';
  return `| \`${place}\` | ${shown} | ${description}${choice} |`;
}
