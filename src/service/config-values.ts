import { readFileSync } from 'node:fs';
import path from 'node:path';
import { QUEUE_ISSUER } from '../credentials/run-grant.js';
import { isScope } from '../scopes/scope.js';
import type { StaticClient } from './config.js';
import { CLIENT_ID } from './http/identifiers.js';

/* What a setting's text means; the message of a refusal is the fix, and never holds a secret. */

/** Plain decimals only: nobody who writes 0x10 or 1e3 seconds into a configuration means it. */
export function number(text: string, least: number, most: number, unit: 'seconds' | 'whole number'): number {
  const value = Number(text);
  const right = /^\d+(\.\d+)?$/.test(text) && value >= least && value <= most && (unit === 'seconds' || Number.isInteger(value));
  if (right) return value;
  throw new Error(
    `${JSON.stringify(text)} is not a ${unit === 'seconds' ? 'number of seconds' : unit} from ${least} to ${most}; set one or leave it unset`,
  );
}

export function flag(text: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  throw new Error(`${JSON.stringify(text)} is neither true nor false; set one of them`);
}

export function oneOf(words: readonly string[]) {
  return (text: string): string => {
    if (words.includes(text)) return text;
    throw new Error(`${JSON.stringify(text)} is unknown; set one of ${words.join(', ')}`);
  };
}

export function rootUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && !/[?#@\s]/.test(text)) return text.replace(/\/+$/, '');
  const shown = text.includes('@') ? 'what is set' : JSON.stringify(text); // before an @ there may be a password
  throw new Error(`${shown} is not a root URL; set one like https://tasks.example.com`);
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** A name: any text of a reasonable length. */
export function audience(text: string): string {
  if (text.length > 1024) throw new Error('is longer than 1024 characters; set a short name');
  return text;
}

/** Verifiers compare it letter by letter, so it is brought into the one form that a URL has. */
export function issuerUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const shown = text.includes('@') ? 'what is set' : JSON.stringify(text); // before an @ there may be a password
  const wrong = (what: string) => new Error(`${shown} ${what}; set one like https://tasks.example.com`);
  if (!url || !/^https?:$/.test(url.protocol) || /[?#@\s\\]/.test(text)) throw wrong('is not the URL of an issuer');
  if (url.pathname !== '/') throw wrong('has a path, and what verifiers look for is served at the root of a host');
  if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname)) throw wrong('is not https, which verifiers want but on this machine');
  return url.origin;
}

/** No URL is one: the issuer and the service itself are audiences of other tokens. */
export function registryService(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._:-]{0,254}$/.test(text)) return text;
  throw new Error(
    `${JSON.stringify(text)} is not the name of a service; set up to 255 letters, digits, . _ : or -, like registry.example.com`,
  );
}

export function bucket(text: string): string {
  if (/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(text)) return text;
  throw new Error(`${JSON.stringify(text)} is not the name of a bucket; set 3 to 63 lower-case letters, digits, . or -`);
}

export function endpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && !/[?#@\s]/.test(text)) return text.replace(/\/+$/, '');
  throw new Error('is not the URL of an S3 service; set one like https://s3.example.com, without user and password');
}

export function region(text: string): string {
  if (/^[a-z0-9-]{1,64}$/.test(text)) return text;
  throw new Error(`${JSON.stringify(text)} is not a region; set one like eu-central-1`);
}

/** What the kernel shows as files is no place for ours; Node's recursive mkdir does not even return under /proc. */
export function dataDir(text: string): string {
  const directory = path.resolve(text);
  if (!/^\/(proc|sys|dev)(\/|$)/.test(directory)) return directory;
  throw new Error(`${JSON.stringify(directory)} is under /proc, /sys or /dev, where no data is kept; set a directory on a disk`);
}

export function databaseUrl(text: string): string {
  if (/^postgres(ql)?:\/\//.test(text)) return text;
  throw new Error('is not a Postgres URL; set one like postgres://user:password@host:5432/database, or leave it unset'); // may hold a password: not shown
}

export function amqpUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^amqps?:$/.test(url.protocol) && url.hostname !== '' && [url.username, url.password, url.pathname].every(isEncoded))
    return text;
  throw new Error('is not an AMQP URL; set one like amqps://user:password@host:5671/vhost, or leave it unset'); // may hold a password: not shown
}

function isEncoded(part: string): boolean {
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    return false; // a % that stands for itself has to be %25
  }
}

export function masterKey(text: string): string {
  if (text.length >= 32) return text;
  throw new Error('is shorter than 32 characters; make one with: openssl rand -base64 32');
}

/** `a**` would stand for what begins with a literal `a*`, which is hardly meant; the API refuses it in clients and roles, too. */
function endsInTwoStars(scope: string): boolean {
  return scope.endsWith('**');
}

export function scopeList(text: string): string[] {
  const list: unknown = text.startsWith('[') ? json(text) : text.split(/\s+/);
  if (!Array.isArray(list) || !list.every(isScope))
    throw new Error('is not a list of scopes; set scopes separated by spaces, or a JSON array of them ([] for none)');
  const doubled = list.find(endsInTwoStars);
  if (doubled !== undefined) throw new Error(`the scope ${doubled} ends in **; end it in one *`);
  return list;
}

/** A JSON array, or `@` and the path of a file that holds one: access tokens need not be in the environment. */
export function staticClients(text: string): StaticClient[] {
  const list = json(text.startsWith('@') ? fileText(text.slice(1)) : text);
  if (!Array.isArray(list)) throw new Error('is not a JSON array of {clientId, accessToken, scopes, description?}');
  const clients = list.map(staticClient);
  const twice = clients.find((client, index) => clients.findIndex((other) => other.clientId === client.clientId) !== index);
  if (twice) throw new Error(`names ${twice.clientId} twice; keep one`);
  return clients;
}

function fileText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`the file ${file} cannot be read (${(error as NodeJS.ErrnoException).code}); set @ and the path of a readable file`);
  }
}

function staticClient(entry: unknown, index: number): StaticClient {
  const wrong = (what: string) => new Error(`entry ${index}: ${what}`);
  if (typeof entry !== 'object' || entry === null) throw wrong('is not an object {clientId, accessToken, scopes, description?}');
  const { clientId, accessToken, scopes, description = '', ...unknown } = entry as Record<string, unknown>;
  if (typeof clientId !== 'string' || !CLIENT_ID.pattern.test(clientId)) throw wrong(`clientId must be ${CLIENT_ID.description}`);
  if (clientId === QUEUE_ISSUER) throw wrong(`clientId ${QUEUE_ISSUER} is the service's own; choose another`);
  if (typeof accessToken !== 'string' || !/^[a-zA-Z0-9_-]{22,66}$/.test(accessToken)) {
    throw wrong('accessToken must be 22 to 66 letters, digits, - or _; make one with: openssl rand -hex 32');
  }
  if (!Array.isArray(scopes) || !scopes.every(isScope))
    throw wrong('scopes must be an array of scopes without space, double quote and backslash');
  const doubled = scopes.find(endsInTwoStars);
  if (doubled !== undefined) throw wrong(`the scope ${doubled} ends in **; end it in one *`);
  if (typeof description !== 'string') throw wrong('description must be a text');
  if (Object.keys(unknown).length > 0) throw wrong(`has unknown fields: ${Object.keys(unknown).join(', ')}`);
  return { clientId, accessToken, scopes, description };
}

/** JSON.parse quotes the text in its message; here the text may be a secret. */
function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('is not JSON');
  }
}
