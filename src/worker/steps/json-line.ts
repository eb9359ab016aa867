/**
 * A value as a line of JSON, for whoever reads lines: to Node's readline, from version 22 on, a line also ends with what JSON leaves as it is
 * (U+2028 and U+2029), and a step may have one in a result.
 */
export function jsonLine(value: object): string {
  const json = JSON.stringify(value).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
  return `${json}\n`;
}
