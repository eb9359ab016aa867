/**
 * Whether a value is what a word of a class describes. True must be the truth; false only means that class-validator has to look,
 * which also finds the words for a refusal.
 */
export type Fits = (value: unknown) => boolean;

const FITS = Symbol('leasehold:fits');

/** Remembers how a field is looked at quickly. What a class adds to a field of its parent is asked as well. */
export function rememberFits(fits: Fits): PropertyDecorator {
  return (target, key) => {
    const own: Map<string, Fits> = Reflect.getOwnMetadata(FITS, target) ?? new Map(Reflect.getMetadata(FITS, target) ?? []);
    const before = own.get(String(key));
    own.set(String(key), before ? (value) => before(value) && fits(value) : fits);
    Reflect.defineMetadata(FITS, own, target);
  };
}

const known = new WeakMap<object, [string, Fits][]>();

/**
 * Whether all fields of an instance fit, decided in a few µs: class-validator, which looks up what it knows of a class at each call,
 * takes 50 for three fields and 150 for a task. It is left to explain what does not fit.
 */
export function surelyFits(instance: object): boolean {
  const fields = fieldsOf(Object.getPrototypeOf(instance));
  return fields.length > 0 && fields.every(([key, fits]) => fits((instance as Record<string, unknown>)[key]));
}

function fieldsOf(prototype: object): [string, Fits][] {
  const fields = known.get(prototype) ?? [...((Reflect.getMetadata(FITS, prototype) as Map<string, Fits> | undefined) ?? [])];
  known.set(prototype, fields);
  return fields;
}

const PRINTABLE = /^[ -~]*$/;

/** Of up to so many characters. The shortest are counted by class-validator, unless each of them is one by any count. */
export function fitsText(pattern: RegExp | undefined, minLength = 0, maxLength = Number.POSITIVE_INFINITY): Fits {
  return (value) =>
    typeof value === 'string' &&
    value.length <= maxLength &&
    !value.includes('\0') &&
    (minLength === 0 || (value.length >= minLength && PRINTABLE.test(value))) &&
    (pattern === undefined || pattern.test(value));
}

export function fitsInteger(minimum: number, maximum = Number.POSITIVE_INFINITY): Fits {
  return (value) => typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum;
}

export function fitsList(item: Fits, unique = false, maxItems = Number.POSITIVE_INFINITY): Fits {
  return (value) =>
    Array.isArray(value) && value.length <= maxItems && value.every(item) && (!unique || new Set(value).size === value.length);
}
