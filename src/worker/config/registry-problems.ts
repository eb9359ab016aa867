import { type GivenRegistry, perPrefix, registryName } from './registries.js';

/** Hosts of the proxy's own: what they lead to must not become a registry. */
const TAKEN = ['taskcluster', 'proxy'];
const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?$/;
const ORIGIN = 'a scheme, a host and a port if need be, as https://registry.example.com, and nothing else';

/** What no schema can say of registries, member by member, with the fix. Never a value but a name: some are secret. */
export function registryProblems(registries: readonly GivenRegistry[]): string[] {
  const well = registries.filter(({ origin }) => isOrigin(origin));
  const names = well.map(registryName);
  const origins = well.map(({ origin }) => new URL(origin).origin);
  return registries.flatMap((registry, index) => {
    const problems = isOrigin(registry.origin)
      ? [
          ...nameProblems(registryName(registry), names),
          ...realmProblems(registry),
          ...prefixProblems(registry),
          ...twice(registry, origins),
        ]
      : [`origin: must be http or https: ${ORIGIN}`];
    return problems.map((problem) => `registries.${index}.${problem}`);
  });
}

/** Tokens are kept by origin. */
function twice({ origin }: GivenRegistry, origins: readonly string[]): string[] {
  const isTwice = origins.filter((other) => other === new URL(origin).origin).length > 1;
  return isTwice ? ['origin: is that of another registry, too; give credentials by prefix in one of them'] : [];
}

function nameProblems(name: string, names: readonly string[]): string[] {
  if (!isHost(name)) return ['name: must be a host, in lower case, and a port if need be, as registry.example.com:5000'];
  if (TAKEN.includes(name)) return ['name: is what steps call the proxy itself by; give another one'];
  return names.filter((other) => other === name).length > 1 ? ['name: is the name of another registry, too; give each its own'] : [];
}

function realmProblems({ origin, realm, trustedRealms, redirects }: GivenRegistry): string[] {
  const isPlain = new URL(origin).protocol === 'http:';
  const isFit = (url: string) => isPlain || new URL(url).protocol === 'https:';
  const wrong = (place: string, all: readonly string[]) =>
    all.flatMap((one, at) => {
      if (!isOrigin(one)) return [`${place}.${at}: must be http or https: ${ORIGIN}`];
      return isFit(one) ? [] : [`${place}.${at}: must be https, as the registry is`];
    });
  const realms =
    realm === undefined || (isUrl(realm) && isFit(realm))
      ? []
      : ['realm: must be a URL without user, query and fragment; https if the registry is'];
  return [...realms, ...wrong('trustedRealms', trustedRealms), ...wrong('redirects', redirects)];
}

function prefixProblems(registry: GivenRegistry): string[] {
  const prefixes = perPrefix(registry).map(([prefix]) => prefix);
  const kinds = perPrefix(registry).map(([, credential]) => credential);
  const isOurs = kinds.includes('run');
  return [
    ...(isOurs && registry.realm !== undefined ? ['realm: is that of rootUrl where credentials are "run"; leave it out'] : []),
    ...(new Set(prefixes).size < prefixes.length ? ['credentials: has one prefix twice; give each just one'] : []),
    // one realm is known in advance, and the token service's is not somebody else's
    ...(isOurs && kinds.some((kind) => kind !== 'run' && kind !== 'none')
      ? ['credentials: has "run" beside those of another token server; give it one kind of them']
      : []),
  ];
}

function isUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '' && !/[?#]/.test(text);
}

/** Such that every step can call by it: programs write an address in one way, and a port that there is not would stop each step that asks for one. */
const isHost = (name: string) => HOST.test(name) && URL.canParse(`http://${name}`) && new URL(`http://${name}`).host === name;

const isOrigin = (text: string) => isUrl(text) && new URL(text).href === `${new URL(text).origin}/`;
