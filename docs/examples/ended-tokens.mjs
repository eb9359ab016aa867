// Tells HAProxy which tokens are good no more, twice a second: node ended-tokens.mjs <issuer> <directory>
// The directory has haproxy.sock. HAProxy writes into lists.map which lists the tokens name that it is sent (their signature is checked by
// then); here each is read and verified, what has ended goes into ended.map, and then into lists.map until when that may be believed.
// Both programs may be restarted. A list that cannot be read stays as it was last read, and is believed no longer for it; one that never was
// keeps this round from changing anything.
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inflateSync } from 'node:zlib';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const EVERY_MS = 500;
const PATIENCE_MS = 2_000;
const LINES = 64; // of a command: HAProxy reads 16 KiB at once

const [issuer, directory] = process.argv.slice(2);
const [socketPath, listsMap, endedMap] = ['haproxy.sock', 'lists.map', 'ended.map'].map((name) => path.join(directory, name));
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), { cacheMaxAge: 300_000, cooldownDuration: 1_000 });

let known = new Map(); // by URI

for (;;) {
  await round().catch((error) => console.error(error.message));
  await sleep(EVERY_MS);
}

async function round() {
  const wanted = (await haproxy(`show map ${listsMap}`)).split('\n').map((line) => line.split(' ')[1] ?? '');
  const ours = wanted.filter((uri) => uri.startsWith(`${issuer}/oauth/status-lists/`));
  const lists = await Promise.all(ours.map((uri) => read(uri).catch((error) => asItWas(uri, error))));
  known = new Map(lists.map((list) => [list.uri, list]));
  const entries = lists.flatMap(({ uri, ended }) => ended.map((idx) => `${uri}/${idx} 1\n`));
  await replace(entries);
  for (const { uri, exp } of lists) await silent(exp === undefined ? `del map ${listsMap} ${uri}` : `set map ${listsMap} ${uri} ${exp}`);
}

function asItWas(uri, error) {
  console.error(error.message);
  if (known.has(uri)) return known.get(uri);
  throw error;
}

/** Which of its tokens have ended, and until when it may be believed; never again if there is no such list any more. */
async function read(uri) {
  const answer = await fetch(uri, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (answer.status === 404) return { uri, ended: [] }; // all of its tokens have expired
  if (!answer.ok) throw new Error(`${uri} answered ${answer.status}`);
  const terms = { typ: 'statuslist+jwt', subject: uri, algorithms: ['ES256'], requiredClaims: ['exp'] };
  const { payload } = await jwtVerify(await answer.text(), keys, terms);
  const bits = inflateSync(Buffer.from(payload.status_list.lst, 'base64url'), { maxOutputLength: 1 << 20 });
  const ended = [];
  for (let idx = 0; idx < bits.length * 8; idx++) if (bits[idx >> 3] & (1 << (idx & 7))) ended.push(idx);
  return { uri, exp: payload.exp, ended };
}

/** All at once: whoever asks in between is answered by what was known before. */
async function replace(entries) {
  const version = /New version created: (\d+)/.exec(await haproxy(`prepare map ${endedMap}`))?.[1];
  for (let at = 0; at < entries.length; at += LINES)
    await silent(`add map @${version} ${endedMap} <<\n${entries.slice(at, at + LINES).join('')}`);
  await silent(`commit map @${version} ${endedMap}`);
}

/** For commands that answer only when something is wrong. */
async function silent(command) {
  const answer = (await haproxy(command)).trim();
  if (answer) throw new Error(`HAProxy: ${answer}`);
}

function haproxy(command) {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(socketPath, () => socket.write(`${command}\n`));
    socket.setEncoding('utf8').on('data', (text) => {
      answer += text;
    });
    socket.on('end', () => resolve(answer)).on('error', reject);
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('HAProxy does not answer')));
  });
}
