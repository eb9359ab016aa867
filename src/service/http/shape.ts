import { applyDecorators } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsNumber,
  IsObject,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  MinLength,
  ValidateBy,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { type Fits, fitsInteger, fitsList, fitsText, rememberFits, surelyFits } from './fits.js';
import { SCOPE } from './identifiers.js';
import type { Rule } from './url-param.js';

/*
 * The words that request and response classes are written in. Each says once, for class-validator and for the OpenAPI document
 * alike, what a field is: so that what is documented is what is checked.
 */

interface Common {
  description?: string;
  /** May be absent. */
  optional?: boolean;
  /** What an absent field means; such a field is optional. */
  default?: unknown;
}

export interface ListBounds {
  minItems: number;
  maxItems: number;
}

type ListItem = { pattern: RegExp; description: string } | { maxLength: number; minLength?: number };

const NESTED = Symbol('leasehold:nested');
const FIELDS = Symbol('leasehold:fields');

const NO_NUL = /^[^\0]*$/; // Postgres has no place for it in a text

/** Text by a rule, or of a bounded length. */
export function Text(options: Common & { rule?: Rule; minLength?: number; maxLength?: number }): PropertyDecorator {
  const { rule, minLength, maxLength } = options;
  const description = options.description ?? rule?.description;
  const fits = fitsText(rule?.pattern, minLength, maxLength);
  return field(options, { type: 'string', description, minLength, maxLength, pattern: rule?.pattern.source }, fits, [
    IsString(),
    Matches(NO_NUL, { message: '$property must not hold the character NUL' }),
    ...(minLength === undefined ? [] : [MinLength(minLength)]),
    ...(maxLength === undefined ? [] : [MaxLength(maxLength)]),
    ...(rule ? [Matches(rule.pattern, { message: `$property must be ${rule.description}` })] : []),
  ]);
}

/** A point in time as RFC 3339 date-time; ours have milliseconds and end in Z. */
export function Timestamp(options: Common = {}): PropertyDecorator {
  return field(options, { type: 'string', format: 'date-time', description: options.description }, isTimestampText, [IsTimestamp()]);
}

export function Integer(options: Common & { minimum: number; maximum?: number }): PropertyDecorator {
  const { minimum, maximum, description } = options;
  return field(options, { type: 'integer', minimum, maximum, description }, fitsInteger(minimum, maximum), [
    IsInt(),
    Min(minimum),
    ...(maximum === undefined ? [] : [Max(maximum)]),
  ]);
}

/** Any number; for responses. */
export function Real(options: Common = {}): PropertyDecorator {
  return field(options, { type: 'number', description: options.description }, Number.isFinite, [IsNumber()]);
}

export function Flag(options: Common = {}): PropertyDecorator {
  return field(options, { type: 'boolean', description: options.description }, (value) => typeof value === 'boolean', [IsBoolean()]);
}

/** One of a few words. */
export function OneOf(words: readonly string[], options: Common = {}): PropertyDecorator {
  const fits = (value: unknown) => words.includes(value as string);
  return field(options, { type: 'string', enum: [...words], description: options.description }, fits, [IsIn(words as string[])]);
}

/** A list of texts. */
export function ListOf(item: ListItem, options: Common & { maxItems?: number; unique?: boolean } = {}): PropertyDecorator {
  const { maxItems, unique, description } = options;
  const items =
    'pattern' in item
      ? { type: 'string', pattern: item.pattern.source }
      : { type: 'string', minLength: item.minLength, maxLength: item.maxLength };
  const each = { each: true };
  const itemFits = 'pattern' in item ? fitsText(item.pattern) : fitsText(undefined, item.minLength, item.maxLength);
  return field(options, { type: 'array', items, maxItems, uniqueItems: unique, description }, fitsList(itemFits, unique, maxItems), [
    IsArray(),
    ...(maxItems === undefined ? [] : [ArrayMaxSize(maxItems)]),
    ...(unique ? [IsUnique()] : []),
    IsString(each),
    ...('pattern' in item
      ? [Matches(item.pattern, { each: true, message: `each value in $property must be ${item.description}` })]
      : [MaxLength(item.maxLength, each), MinLength(item.minLength ?? 0, each)]),
  ]);
}

/** A list of scopes. */
export function Scopes(options: Common & { maxItems?: number; unique?: boolean } = {}): PropertyDecorator {
  return ListOf(SCOPE, { description: 'Scopes: printable ASCII without space, double quote and backslash', ...options });
}

/** Any JSON object. */
export function JsonObject(options: Common = {}): PropertyDecorator {
  return field(options, { type: 'object', additionalProperties: true, description: options.description }, isPlainObject, [
    IsObject({ message: '$property must be a JSON object' }),
  ]);
}

/** An object whose values are texts. */
export function TextMap(options: Common & { maxLength: number }): PropertyDecorator {
  const { maxLength, description } = options;
  const validate = (value: unknown) =>
    isPlainObject(value) && Object.values(value).every((text) => typeof text === 'string' && text.length <= maxLength);
  return field(options, { type: 'object', additionalProperties: { type: 'string', maxLength }, description }, validate, [
    ValidateBy({
      name: 'isTextMap',
      validator: {
        validate,
        defaultMessage: () => `$property must be an object whose values are strings of at most ${maxLength} characters`,
      },
    }),
  ]);
}

/** An object of its own class. */
export function Nested(type: () => new () => object, options: Common = {}): PropertyDecorator {
  // swagger takes a function for a lazy type only if its name is `type`
  const fits = (value: unknown) => isPlainObject(value) && surelyFits(value);
  return field(options, { type: () => type(), description: options.description }, fits, [
    nested(type),
    IsObject({ message: '$property must be a JSON object' }),
    ValidateNested(),
  ]);
}

/** A list of objects of one class. In a request it needs bounds: without them its elements are not checked. */
export function NestedList(type: () => new () => object, options: Common & { bounds?: ListBounds } = {}): PropertyDecorator {
  const { bounds, description } = options;
  const schema = { type: () => type(), isArray: true, description, ...bounds };
  return field(options, schema, (value) => !bounds || Array.isArray(value), bounds ? [nested(type, bounds), IsArray()] : []);
}

/** `fits` decides quickly what `checks` decide and explain: it takes nothing that they refuse. */
function field(common: Common, schema: Record<string, unknown>, fits: Fits, checks: PropertyDecorator[]): PropertyDecorator {
  const optional = common.optional || common.default !== undefined;
  const known = Object.fromEntries(Object.entries(schema).filter(([, value]) => value !== undefined));
  const api = { ...known, required: !optional, ...(common.default === undefined ? {} : { default: common.default }) };
  // class-validator's own IsOptional would let null pass every other check
  const mayBeAbsent = optional ? [ValidateIf((_, value) => value !== undefined)] : [];
  const quick: Fits = optional ? (value) => value === undefined || fits(value) : fits;
  return applyDecorators(remember(common.default), rememberFits(quick), ApiProperty(api as never), ...mayBeAbsent, ...checks);
}

function remember(defaultValue: unknown): PropertyDecorator {
  return (target, key) => {
    const own = Reflect.getOwnMetadata(FIELDS, target) ?? new Map(Reflect.getMetadata(FIELDS, target) ?? []);
    Reflect.defineMetadata(FIELDS, own.set(key, defaultValue), target);
  };
}

function nested(type: () => new () => object, bounds?: ListBounds): PropertyDecorator {
  return (target, key) => Reflect.defineMetadata(NESTED, { type, bounds }, target, key);
}

/** A field that a class declares. */
export interface Field {
  default: unknown;
  /** The class of an object within; with bounds, of those of a list. */
  nested: { type: new () => object; bounds?: ListBounds } | undefined;
}

const fields = new WeakMap<new () => object, ReadonlyMap<string, Field>>();

/** The fields that a class declares: looked up once, when its classes are all there. */
export function fieldsOf(type: new () => object): ReadonlyMap<string, Field> {
  const known = fields.get(type) ?? new Map([...declared(type)]);
  fields.set(type, known);
  return known;
}

function* declared(type: new () => object): Generator<[string, Field]> {
  const defaults: ReadonlyMap<string, unknown> = Reflect.getMetadata(FIELDS, type.prototype) ?? new Map();
  for (const [key, value] of defaults) {
    const within = Reflect.getMetadata(NESTED, type.prototype, key);
    yield [key, { default: value, nested: within && { ...within, type: within.type() } }];
  }
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const RFC3339 =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

const LONGEST_TIMESTAMP = 64; // Postgres does not read one of hundreds of digits
const YEARS = { from: Date.parse('0001-01-01T00:00:00.000Z'), to: Date.parse('9999-12-31T23:59:59.999Z') };

function IsTimestamp(): PropertyDecorator {
  return ValidateBy({
    name: 'isTimestamp',
    validator: {
      validate: isTimestampText,
      defaultMessage: () => '$property must be an RFC 3339 date-time, for example 2026-11-22T12:00:00.000Z',
    },
  });
}

function isTimestampText(value: unknown): boolean {
  return typeof value === 'string' && isTimestamp(value);
}

/** Date.parse takes the 30th of February for a day in March, and an offset can lead out of the years that have four digits. */
export function isTimestamp(text: string): boolean {
  if (text.length > LONGEST_TIMESTAMP) return false;
  const [, year, month, day] = RFC3339.exec(text) ?? [];
  const instant = Date.parse(text);
  const daysInMonth = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  return Number(day) <= daysInMonth && instant >= YEARS.from && instant <= YEARS.to;
}

/** class-validator's own ArrayUnique compares each with each: 10 MiB of scopes would keep the whole service waiting for minutes. */
function IsUnique(): PropertyDecorator {
  return ValidateBy({
    name: 'isUnique',
    validator: {
      validate: (value) => Array.isArray(value) && new Set(value).size === value.length,
      defaultMessage: () => '$property must not name anything twice',
    },
  });
}
