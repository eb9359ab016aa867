import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as certificate from '../../src/credentials/certificate.js';
import * as credentialError from '../../src/credentials/credential-error.js';
import * as hawk from '../../src/credentials/hawk.js';
import * as lentCredentials from '../../src/credentials/lent-credentials.js';
import * as mint from '../../src/credentials/mint.js';
import * as runGrant from '../../src/credentials/run-grant.js';
import * as taskToken from '../../src/credentials/task-token.js';
import * as tokenMint from '../../src/credentials/token-mint.js';
import * as roleExpansion from '../../src/scopes/role-expansion.js';
import * as scope from '../../src/scopes/scope.js';
import * as scopeExpression from '../../src/scopes/scope-expression.js';
import * as scopeSet from '../../src/scopes/scope-set.js';
import * as identify from '../../src/service/auth/identify.js';

/** All that issues, and all that decides what was issued is worth, as far as it is pure. */
export const REAL_CODE = {
  ...{ ...certificate, ...credentialError, ...hawk, ...lentCredentials, ...mint, ...runGrant, ...taskToken, ...tokenMint },
  ...{ ...roleExpansion, ...scope, ...scopeExpression, ...scopeSet, ...identify },
};

export type IssuingCode = typeof REAL_CODE;

const FILES = [
  ...['certificate', 'credential-error', 'hawk', 'lent-credentials', 'mint', 'run-grant', 'task-token', 'token-mint'].map(
    (name) => `credentials/${name}.ts`,
  ),
  ...['role-expansion', 'scope', 'scope-expression', 'scope-set'].map((name) => `scopes/${name}.ts`),
  'service/auth/identify.ts',
];

/** A mistake that somebody could make: `right` stands once in the file, and is replaced. */
export interface SeededBug {
  told: string;
  file: string;
  right: string;
  wrong: string;
}

/** The same code with one mistake in it, compiled anew from a copy; `done` removes that. Throws where the file does not read so any more. */
export async function codeWithBug({ file, right, wrong }: SeededBug): Promise<{ code: IssuingCode; done(): void }> {
  const copy = mkdtempSync(path.join(tmpdir(), 'leasehold-bug-'));
  const done = () => rmSync(copy, { recursive: true, force: true });
  try {
    for (const room of ['scopes', 'credentials']) cpSync(path.join('src', room), path.join(copy, room), { recursive: true });
    mkdirSync(path.join(copy, 'service/auth'), { recursive: true });
    cpSync('src/service/auth/identify.ts', path.join(copy, 'service/auth/identify.ts'));
    cpSync('package.json', path.join(copy, 'package.json'));
    symlinkSync(path.resolve('node_modules'), path.join(copy, 'node_modules'));
    const text = readFileSync(path.join(copy, file), 'utf8');
    if (text.split(right).length !== 2)
      throw new Error(`src/${file} does not have this just once any more, so the bug needs a new place: ${right}`);
    writeFileSync(
      path.join(copy, file),
      text.replace(right, () => wrong),
    );
    const modules: object[] = [];
    for (const name of FILES) modules.push(await import(path.join(copy, name))); // at once, each would look for what another is just reading
    return { code: Object.assign({}, ...modules), done };
  } catch (error) {
    done();
    throw error;
  }
}
