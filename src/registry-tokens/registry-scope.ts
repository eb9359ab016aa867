import { type ChallengedNames, challengedNames } from './challenged-names.js';
import type { RegistrySettings } from './registry-settings.js';
import { repositoryPath } from './repository-path.js';

/** Most characters, and most scopes, that are read of one list. A mount takes two scopes; what is longer is no honest challenge. */
const MAX_LENGTH = 8192;
const MAX_SCOPES = 64;

/** What may be asked beyond what a request needs, if the registry says so: see `scopesToAsk`. `metadata_read` is one of Azure's. */
const HARMLESS_ACTIONS = ['pull', 'push', 'metadata_read'];

/** What one request needs, as its line says: the key of its token. */
export interface RequiredScopes {
  /** '' for the catalog. */
  repository: string;
  /** The repository that a blob is mounted from. */
  mountedFrom?: string;
  /** In normal form. */
  scopes: readonly string[];
}

/** `type:name:actions`. The name may hold colons, the others do not. */
interface RegistryScope {
  type: string;
  name: string;
  actions: readonly string[];
}

/**
 * One spelling for all lists of registry scopes that mean the same: one scope for each resource, its actions sorted, the whole sorted
 * bytewise. An element may hold several scopes, separated by spaces, as in a challenge. A class (`repository(plugin)`) is left out, `*` stands
 * for all actions beside it, a scope without actions is dropped; what is not of the form `type:name:actions` stays as it is.
 *
 * @throws RangeError of more than 64 scopes, or 8192 characters
 */
export function normalScopes(scopes: readonly string[]): readonly string[] {
  const resources = new Map<string, RegistryScope>();
  const others = new Set<string>();
  for (const text of words(scopes)) {
    const read = readScope(text);
    if (read === undefined) others.add(text);
    else unite(resources, read);
  }
  return [...others, ...[...resources.values()].flatMap((resource) => writeScope(resource))].sort();
}

/**
 * What a request needs; undefined for the ping, and for what is not surely a request to one repository. Nothing secret may go with that: a
 * header that is good for all repositories would take it wherever somebody behind reads it to go.
 */
export function requiredScopes({ method, target }: { method: string; target: string }): RequiredScopes | undefined {
  const path = repositoryPath(target);
  const actions = actionsOf(method);
  if (path === undefined || actions === undefined) return undefined;
  if (path.repository === '') return actions === 'pull' ? { repository: '', scopes: ['registry:catalog:*'] } : undefined;
  const { repository, mountedFrom } = path;
  if (mountedFrom === undefined) return { repository, scopes: [`repository:${repository}:${actions}`] };
  const scopes = normalScopes([`repository:${repository}:${actions}`, `repository:${mountedFrom}:pull`]);
  return method === 'POST' ? { repository, mountedFrom, scopes } : undefined;
}

/** Registries judge by the method alone, so to break off an upload takes `delete`, too. They tell methods from one another by their case. */
function actionsOf(method: string): string | undefined {
  if (method === 'GET' || method === 'HEAD') return 'pull';
  if (method === 'POST' || method === 'PUT' || method === 'PATCH') return 'pull,push';
  return method === 'DELETE' ? 'delete' : undefined;
}

/** The same with `push` wherever its own repository is to be pulled. */
export function widened(required: RequiredScopes): RequiredScopes {
  const scopes = required.scopes.flatMap((text) => {
    const { type, name, actions } = readScope(text) ?? {};
    const isWide = type === 'repository' && name === required.repository && actions?.includes('pull');
    return isWide ? [text, `repository:${name}:push`] : [text];
  });
  return { ...required, scopes: normalScopes(scopes) };
}

/**
 * What to ask a token server for, when the registry has answered with this `scope`, or none. It decides how a repository is called there, since
 * gateways know it by another name (see `challengedNames`), never which repository: that is the request's alone. Otherwise the registry,
 * or one of several teams behind it, could have us fetch a token for somebody else's repository, and receive it.
 *
 * Of a repository that is called as requested, or as `rewrites` say, `pull` and `push` are asked beyond what is required, for some registries
 * want both always. `delete` and `*` are asked only where the request deletes: a read must not make a token that destroys. A mounted
 * repository is pulled, and no more.
 *
 * @returns scopes in normal form; undefined if the challenge names anything else, so that nothing is asked and its 401 is the answer
 */
export function scopesToAsk(
  required: RequiredScopes,
  challenged: string | undefined,
  rewrites?: RegistrySettings['rewrites'],
): readonly string[] | undefined {
  const challenge = readChallenge(challenged ?? '');
  if (challenge === undefined) return undefined;
  if (required.repository === '') return isOf(challenge, 'registry', 'catalog') ? required.scopes : undefined;
  if (challenge.some(({ type }) => type !== 'repository')) return undefined;
  const names = challengedNames(
    required,
    challenge.map(({ name }) => name),
    rewrites,
  );
  return names && normalScopes(required.scopes.map((text) => renamed(text, required, names)).concat(extras(required, challenge, names)));
}

/** The resources that it names; a word that names none is as good as no scope. Undefined if there is more of it than is read. */
function readChallenge(challenged: string): readonly RegistryScope[] | undefined {
  if (challenged.length > MAX_LENGTH || challenged.split(' ').length > MAX_SCOPES) return undefined;
  return normalScopes([challenged]).flatMap((text) => readScope(text) ?? []);
}

function isOf(challenge: readonly RegistryScope[], wantedType: string, wantedName: string): boolean {
  return challenge.every(({ type, name }) => type === wantedType && name === wantedName);
}

function renamed(text: string, { repository, mountedFrom }: RequiredScopes, names: ChallengedNames): string {
  const { type, name, actions } = readScope(text) ?? {};
  if (type !== 'repository' || actions === undefined) return text;
  if (name === repository) return `repository:${names.repository}:${actions.join()}`;
  return name === mountedFrom ? `repository:${names.mountedFrom}:${actions.join()}` : text;
}

/** What the challenge says beyond what is required, as far as it is asked. Not where the name is only guessed. */
function extras({ scopes }: RequiredScopes, challenge: readonly RegistryScope[], names: ChallengedNames): string[] {
  const named = challenge.find(({ name }) => name === names.repository);
  if (named === undefined || names.isGuess) return [];
  const deletes = scopes.some((text) => readScope(text)?.actions.includes('delete'));
  const said = named.actions.includes('*') ? ['pull', 'push'] : named.actions;
  const asked = said.filter((action) => HARMLESS_ACTIONS.includes(action) || (deletes && action === 'delete'));
  return [`repository:${names.repository}:${asked.join()}`];
}

function words(scopes: readonly string[]): string[] {
  const text = scopes.join(' ');
  const found = text.length > MAX_LENGTH ? undefined : text.split(' ').filter((word) => word !== '');
  if (found === undefined || found.length > MAX_SCOPES) throw new RangeError('too many registry scopes');
  return found;
}

function readScope(text: string): RegistryScope | undefined {
  const [, type, name = '', actions = ''] = /^([^:]+):(.+):([^:]*)$/.exec(text) ?? [];
  if (type === undefined) return undefined;
  return { type: type.replace(/^([a-z\d]+)\([a-z\d]*\)$/, '$1'), name, actions: actions.split(',').filter((action) => action !== '') };
}

function unite(resources: Map<string, RegistryScope>, { type, name, actions }: RegistryScope): void {
  const key = `${type}:${name}`; // no type holds a colon
  resources.set(key, { type, name, actions: [...new Set([...(resources.get(key)?.actions ?? []), ...actions])] });
}

function writeScope({ type, name, actions }: RegistryScope): string[] {
  if (actions.length === 0) return [];
  return [`${type}:${name}:${actions.includes('*') ? '*' : [...actions].sort().join()}`];
}
