import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Config, ConfigError } from './config.js';

/** All that is derived from the master key. Replicas with one master key agree on all of it, and nothing of it is stored. */
export abstract class Keys {
  /** Encrypts access tokens at rest. */
  abstract readonly storage: Buffer;
  /** Signs the credentials of runs. */
  abstract readonly issuer: string;
  /** Signs the URLs of blobs. */
  abstract readonly blobs: string;
  /** Encrypts the keys that sign tokens, at rest. */
  abstract readonly signing: Buffer;
  /** Shuffles the places of the status lists. */
  abstract readonly places: Buffer;
  /** Signs the refresh tokens of registry clients. */
  abstract readonly registry: string;
  /** The access token of the bootstrap client. */
  abstract readonly bootstrap: string;
  /** Tells, without revealing it, whether a database was written with this master key. */
  abstract readonly check: Buffer;
}

export function deriveKeys(masterKey: string): Keys {
  const derive = (purpose: string) => Buffer.from(hkdfSync('sha256', masterKey, 'leasehold', purpose, 32));
  return {
    storage: derive('storage'),
    issuer: derive('issuer').toString('base64url'),
    blobs: derive('blobs').toString('base64url'),
    signing: derive('signing'),
    places: derive('places'),
    registry: derive('registry').toString('base64url'),
    bootstrap: derive('bootstrap').toString('base64url'),
    check: createHmac('sha256', derive('check')).update('leasehold').digest(),
  };
}

/** Those of the configuration. Throws ConfigError where the master key is a file that cannot be used. */
export function configuredKeys({ masterKey, dataDir }: Config): Keys {
  try {
    return deriveKeys(masterKey ?? keptMasterKey(dataDir));
  } catch (cause) {
    const problem = (cause as Error).message;
    throw new ConfigError(`The master key in DATA_DIR cannot be used: ${problem}. Set DATA_DIR to a directory of this user's own`, {
      cause,
    });
  }
}

/** The master key kept in `<dataDir>/master.key` (0600); made at the first start. Replicas that start at once agree on one. */
export function keptMasterKey(dataDir: string): string {
  const file = path.join(dataDir, 'master.key');
  mkdirSync(dataDir, { recursive: true });
  if (!existsSync(file)) makeMasterKey(file);
  const key = readFileSync(file, 'utf8').trim();
  if (key.length < 32) throw new Error(`${file} holds no master key; restore it, or remove the file and the database to begin anew`);
  return key;
}

/** Written apart and linked when whole: a replica that starts at the same moment never reads half a key, and the first one wins. */
function makeMasterKey(file: string): void {
  const unfinished = `${file}.${randomBytes(6).toString('hex')}`;
  writeFileSync(unfinished, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  try {
    linkSync(unfinished, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(unfinished);
  }
}
