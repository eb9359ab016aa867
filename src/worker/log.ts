export type Level = 'info' | 'warn' | 'error';
export type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

/** One thing that the worker tells of itself. Nothing secret is ever in it. */
export interface Entry extends Record<string, unknown> {
  time: string;
  level: Level;
  msg: string;
}

export interface Log {
  info(msg: string, fields?: Fields): void;
  warn(msg: string, fields?: Fields): void;
  error(msg: string, fields?: Fields): void;
  /** The same, with these fields in each entry. */
  with(fields: Fields): Log;
}

export function logTo(take: (entry: Entry) => void, always: Fields = {}): Log {
  const at = (level: Level) => (msg: string, fields?: Fields) => take({ time: new Date().toISOString(), level, msg, ...always, ...fields });
  return { info: at('info'), warn: at('warn'), error: at('error'), with: (fields) => logTo(take, { ...always, ...fields }) };
}

/** For programs: a line of JSON, in which no control character is left. */
export const asJson = (entry: Entry): string => JSON.stringify(entry);

/** For people. What somebody else said may be in it: it is to move no cursor. */
export function asText({ time, level, msg, ...fields }: Entry): string {
  const told = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  const mark = level === 'info' ? '' : `${level}: `;
  return printable(`${time.slice(11, 19)} ${mark}${[msg, ...told].join('  ')}`);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
export const printable = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, '?');
