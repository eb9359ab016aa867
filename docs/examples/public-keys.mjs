// Writes the issuer's ES256 keys where haproxy.cfg looks for them: node public-keys.mjs <issuer> <directory>
// Run it every five minutes, and reload HAProxy when a file has changed. A key is published for ten minutes before it signs.
import { createPublicKey } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const FILES = ['key-1.pem', 'key-2.pem', 'key-3.pem', 'key-4.pem']; // as many as haproxy.cfg names; two during a rotation, three if the next one follows soon

const [issuer, directory] = process.argv.slice(2);
const answer = await fetch(`${issuer}/.well-known/jwks.json`, { signal: AbortSignal.timeout(5_000) });
if (!answer.ok) throw new Error(`the keys of ${issuer} could not be read: ${answer.status}`);
const { keys } = await answer.json();
const pems = keys
  .filter(({ alg }) => alg === 'ES256')
  .map((key) => createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' }));
if (pems.length === 0 || pems.length > FILES.length) throw new Error(`${pems.length} keys, and files for 1 to ${FILES.length}`);

for (const [index, name] of FILES.entries()) {
  const file = path.join(directory, name);
  const pem = pems[index] ?? pems[0];
  if (readIfThere(file) === pem) continue;
  writeFileSync(`${file}.new`, pem);
  renameSync(`${file}.new`, file);
  console.log(file);
}

function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
