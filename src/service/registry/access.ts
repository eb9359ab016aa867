/** What a registry token says that its bearer may do; `access` of the claims (distribution, "Token Authentication Specification"). */
export interface Access {
  type: 'repository' | 'registry';
  /** Always the name that was asked for: registries know no patterns. */
  name: string;
  actions: string[];
}

/** A scope parameter that is none. The message names what is wrong, and the fix. */
export class RegistryScopeError extends Error {}

/** An image has one repository, a mount two, and a token of more would be longer than what headers hold. */
const MOST_SCOPES = 16;

/** Characters: a name has 255 at most. */
const LONGEST_SCOPE = 400;

/** Characters of JSON. With the certificate, and in base64, the token stays below the 8 KiB that proxies take of a header. */
const LONGEST_ACCESS = 3_500;

const LONGEST_NAME = 255;

/** As registries route them: an optional host, which may have a port, and lower-case words with separators between them. */
const NAME =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?::[0-9]+)?\/)?[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*$/;

const SHOWN = 80;
const ACTIONS = ['pull', 'push', 'delete'] as const;

/**
 * What is asked for, each repository once: several scopes may be in one parameter, joined by spaces. Resource types that we do not know are
 * left out, as registries of other makes ask for their own. Throws RegistryScopeError.
 */
export function askedAccess(parameters: readonly string[]): Access[] {
  const scopes = parameters.flatMap((parameter) => parameter.split(' ')).filter((scope) => scope !== '');
  if (scopes.length > MOST_SCOPES) throw new RegistryScopeError(`scope: there are ${scopes.length}; ask for ${MOST_SCOPES} at once`);
  const asked = new Map<string, Access>();
  for (const one of scopes.map(parsed)) {
    if (!one) continue;
    const key = `${one.type}:${one.name}`;
    const actions = new Set([...(asked.get(key)?.actions ?? []), ...one.actions]);
    asked.set(key, { ...one, actions: [...actions] });
  }
  return [...asked.values()];
}

/**
 * What of it is granted: only what was asked for. Who may push may pull, as a registry demands both for a push. `*` is whatever is granted.
 * Throws RegistryScopeError where that is more than a token can carry.
 */
export function grantedAccess(asked: readonly Access[], holds: (scope: string) => boolean): Access[] {
  const granted = asked
    .map((one) => ({ ...one, actions: one.type === 'registry' ? ofCatalog(holds) : ofRepository(one, holds) }))
    .filter(({ actions }) => actions.length > 0);
  if (JSON.stringify(granted).length <= LONGEST_ACCESS) return granted;
  throw new RegistryScopeError('scope: no token holds so much; ask for fewer repositories at once');
}

/** The same as registry scopes, for the answer. */
export function inScopes(access: readonly Access[]): string {
  return access.map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`).join(' ');
}

function ofCatalog(holds: (scope: string) => boolean): string[] {
  return holds('registry:catalog') ? ['*'] : [];
}

function ofRepository({ name, actions }: Access, holds: (scope: string) => boolean): string[] {
  const may = {
    pull: () => holds(`registry:pull:${name}`) || may.push(),
    push: () => holds(`registry:push:${name}`),
    delete: () => holds(`registry:delete:${name}`),
  };
  return ACTIONS.filter((action) => (actions.includes(action) || actions.includes('*')) && may[action]());
}

/** The type is what stands before the first colon, the actions what stands behind the last: a name may have a port. */
function parsed(scope: string): Access | undefined {
  if (scope.length > LONGEST_SCOPE)
    throw new RegistryScopeError(`scope: one is longer than ${LONGEST_SCOPE} characters; send shorter ones`);
  const [, type, name = '', actions = ''] = /^([a-z]+)(?:\([a-z0-9]+\))?:(.+):([^:]*)$/.exec(scope) ?? [];
  const shown = JSON.stringify(scope.slice(0, SHOWN));
  if (type === undefined) throw new RegistryScopeError(`scope: ${shown} is none; send one like repository:team/app:pull,push`);
  if (type === 'registry') return name === 'catalog' && actions.split(',').includes('*') ? { type, name, actions: ['*'] } : undefined;
  if (type !== 'repository') return undefined;
  if (name.length <= LONGEST_NAME && NAME.test(name)) return { type, name, actions: actions.split(',') };
  throw new RegistryScopeError(`scope: ${shown} names no repository; names are like team/app, in lower case, and no patterns`);
}
