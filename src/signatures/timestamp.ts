/** With its offset: what Date makes of other texts depends on the place of whoever reads them. */
const RFC3339 = /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/i;

const LONGEST = 64;
const YEARS = { from: Date.parse('0001-01-01T00:00:00.000Z'), to: Date.parse('9999-12-31T23:59:59.999Z') };

/**
 * What an RFC 3339 date-time says, truncated to milliseconds, however many digits it has. Undefined for what is none: Date.parse takes the
 * 30th of February for a day in March, and an offset can lead out of the years that have four digits.
 */
export function readTimestamp(text: unknown): Date | undefined {
  if (typeof text !== 'string' || text.length > LONGEST) return undefined;
  const [, year, month, day] = RFC3339.exec(text) ?? [];
  const date = new Date(text.replace(/(\.\d{3})\d+/, '$1'));
  const daysInMonth = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  return Number(day) <= daysInMonth && date.getTime() >= YEARS.from && date.getTime() <= YEARS.to ? date : undefined;
}
