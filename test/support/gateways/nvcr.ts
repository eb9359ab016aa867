import { type Asked, type Behaviour, repositoryOf } from './behaviour.js';
import { bearer, challengeAs } from './challenges.js';

/**
 * As nvcr.io: a pull is challenged `pull,push`, no service is named, and a token of another repository is answered with another realm. Here
 * that realm is a trap: a client that keeps the tokens of repositories apart never hears of it.
 */
export function nvcr(otherRealm: string): Behaviour {
  return challengeAs(({ realm, scope, error }, asked) => {
    const repository = repositoryOf(asked.came);
    const wider = scope?.replace(/:pull$/, ':pull,push');
    if (repository !== undefined && isOfAnother(asked, repository))
      return bearer({ realm: otherRealm, scope: wider, error: 'insufficient_scope' });
    return bearer({ realm, scope: wider, error });
  });
}

/** Of a token that gives access, but not here; of one that nobody here has made, too. */
function isOfAnother({ headers: { authorization } }: Asked, repository: string): boolean {
  if (authorization === undefined) return false;
  const access = accessIn(authorization);
  return access === undefined || (access.length > 0 && !access.some(({ name }) => name === repository));
}

function accessIn(authorization: string): { name: string }[] | undefined {
  const [, claims = ''] = /^Bearer [\w-]+\.([\w-]+)\./i.exec(authorization) ?? [];
  try {
    return (JSON.parse(Buffer.from(claims, 'base64url').toString()) as { access?: { name: string }[] }).access ?? [];
  } catch {
    return undefined; // no token of ours
  }
}
