import { parseArgs } from 'node:util';
import { CommandError } from '../command-error.js';

/** What a command has to say: for people, and for programs. */
export interface Outcome {
  text: string;
  json: object;
  /** 1: what was asked about is not good. */
  exitCode?: 0 | 1;
}

/** The words after a verb. */
export interface Words {
  positionals: string[];
  values: ReturnType<typeof parseArgs>['values'];
}

type Kind = 'text' | 'list' | 'flag';

const HELP = 'npm run signatures -- help';

/** Throws CommandError for options that there are not, and for more or fewer words than `words`; it names the command that tells more. */
export function readWords(args: string[], words: number, kinds: Record<string, Kind> = {}, help = HELP): Words {
  const options = Object.entries({ ...kinds, json: 'flag' }).map(
    ([name, kind]) => [name, { type: kind === 'flag' ? 'boolean' : 'string', multiple: kind === 'list' }] as const,
  );
  try {
    const { values, positionals } = parseArgs({ args, options: Object.fromEntries(options), allowPositionals: true });
    if (positionals.length !== words) throw new TypeError(`${words === 1 ? 'one word is' : `${words} words are`} wanted after the verb`);
    return { positionals, values };
  } catch (error) {
    throw new CommandError(`${(error as Error).message}; see ${help}`, 2);
  }
}

export function text({ values }: Words, name: string): string | undefined {
  const value = values[name];
  if (value === '') throw new CommandError(`--${name} is empty`, 2);
  return typeof value === 'string' ? value : undefined;
}

export function needed(words: Words, name: string, meaning: string): string {
  const value = text(words, name);
  if (value !== undefined) return value;
  throw new CommandError(`--${name} is missing; give ${meaning}`, 2);
}

export function flag({ values }: Words, name: string): boolean {
  return values[name] === true;
}

export function list({ values }: Words, name: string): string[] | undefined {
  return values[name] as string[] | undefined;
}

/** A number of seconds, runs and so on. */
export function count(words: Words, name: string): number | undefined {
  const value = text(words, name);
  if (value === undefined) return undefined;
  if (!/^\d{1,10}$/.test(value)) throw new CommandError(`--${name} is a whole number, not ${JSON.stringify(value)}`, 2);
  return Number(value);
}

/** Unix seconds, given as such or as a timestamp. */
export function instant(words: Words, name: string): number | undefined {
  const value = text(words, name);
  if (value === undefined) return undefined;
  const seconds = /^\d{1,10}$/.test(value) ? Number(value) : Math.floor(Date.parse(value) / 1000);
  if (Number.isNaN(seconds)) throw new CommandError(`--${name} is a timestamp or unix seconds, not ${JSON.stringify(value)}`, 2);
  return seconds;
}

export const clock = () => Math.floor(Date.now() / 1000);
export const shownTime = (seconds: number | undefined) => (seconds === undefined ? '-' : new Date(seconds * 1000).toISOString());
