import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { Pool } from 'pg';

/*
 * A resource that refuses a worker whose run was lost, and asks nobody for that: `PUT /` with a token of a run sets the note of its task.
 * docs/tokens.md tells why it does so. status-list.test.ts holds it to it.
 */

export const NOTES = 'create table note (task text primary key, fence bigint not null, text text not null)';

/** One statement: who comes at the same time waits for the row, and is compared with what the other has left there. */
const WRITE = `
insert into note (task, fence, text) values ($1, $2, $3)
on conflict (task) do update set fence = excluded.fence, text = excluded.text where note.fence <= excluded.fence`;

const SCOPE = 'notes:write';
const LONGEST_NOTE = 10_000;

export interface NotesTerms {
  pool: Pool;
  /** Of jose: `createRemoteJWKSet(new URL('<issuer>/.well-known/jwks.json'))`. */
  keys: JWTVerifyGetKey;
  issuer: string;
  audience: string;
}

export function createNotes(terms: NotesTerms): Server {
  return createServer((request, response) => {
    put(request, terms).then(
      (status) => response.writeHead(status).end(),
      () => response.writeHead(500).end(),
    );
  });
}

/** 401: who are you? 403: not with that token. 409: a later claim of the task has written; stop, the run is lost. */
async function put(request: IncomingMessage, terms: NotesTerms): Promise<number> {
  const claims = await claimsOf(request, terms).catch(() => undefined);
  if (!claims) return 401;
  const { scope, task, fence } = claims;
  if (!String(scope).split(' ').includes(SCOPE)) return 403;
  const { rowCount } = await terms.pool.query(WRITE, [task, fence, await textOf(request)]);
  return rowCount === 1 ? 204 : 409;
}

async function claimsOf({ headers }: IncomingMessage, { keys, issuer, audience }: NotesTerms) {
  const token = /^bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? '';
  const { payload } = await jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt', requiredClaims: ['exp', 'task', 'fence'] });
  if (payload.cnf !== undefined) throw new Error('a token that is bound to a key needs a proof, and nobody here looks at one');
  if (!Number.isSafeInteger(payload.fence)) throw new Error('no fence');
  return payload;
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) {
    text += piece;
    if (text.length > LONGEST_NOTE) throw new Error('too long');
  }
  return text;
}
