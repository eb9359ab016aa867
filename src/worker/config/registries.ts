import type { AddressKind } from '../../registry-tokens/addresses.js';
import { byLongestPrefix } from '../../registry-tokens/credential-choice.js';

/** `run`: the run's own credentials, for a registry of our token service. `none`: it is asked as anybody. Others are secret. */
export type RegistryCredential =
  | 'run'
  | 'none'
  | { kind: 'basic'; username: string; password: string }
  | { kind: 'refresh'; token: string };

/** One registry that steps may reach through their proxy. */
export interface ConfiguredRegistry {
  /** Under which steps know it: a host, lower case, and a port unless it is 80 or 443. */
  name: string;
  origin: string;
  /** The longest prefix that a repository's name begins with, segment by segment, counts. */
  credentials: readonly { prefix: string; credential: RegistryCredential }[];
  realm?: string;
  service?: string;
  trustedRealms: readonly string[];
  /** Absent: the end of a name may stand for it; none: it may not. */
  rewrites?: readonly { requested: string; challenged: string }[];
  /** Origins to which it may redirect whoever reads, beside the public ones. */
  redirects: readonly string[];
  addresses?: readonly AddressKind[];
  widen: boolean;
  /** PEM. */
  ca?: string;
}

/** As the file has it, with defaults filled in. */
export interface GivenRegistry {
  name?: string;
  origin: string;
  credentials: GivenCredential | { prefix: string; credentials: GivenCredential }[];
  realm?: string;
  service?: string;
  trustedRealms: string[];
  rewrites?: { requested: string; challenged: string }[];
  redirects: string[];
  addresses?: AddressKind[];
  widen: boolean;
  ca?: string;
}

export type GivenCredential =
  | 'run'
  | 'none'
  | { username: string; password?: string; passwordFile?: string }
  | { identityTokenFile: string };

/** Reads the files that a configuration names. `member` is named in what is thrown. */
export interface FileReader {
  /** A secret of one line, or from the file that is named. */
  secret(value: string | undefined, file: string | undefined, member: string): string;
  text(file: string, member: string): string;
}

/** The registries of a configuration that was found to be right, with what their files hold. @throws SetupError */
export function readRegistries(given: readonly GivenRegistry[], rootUrl: string, read: FileReader): ConfiguredRegistry[] {
  return given.map((registry, index) => {
    const { ca, ...rest } = registry;
    const member = `registries.${index}`;
    const credentials = perPrefix(registry).map(([prefix, one, place]) => ({
      ...{ prefix, credential: credentialOf(one, `${member}.${place}`, read) },
    }));
    const isOurs = credentials.some(({ credential }) => credential === 'run');
    return {
      ...rest,
      ...{ name: registryName(registry), origin: new URL(registry.origin).origin, credentials },
      ...(isOurs && { realm: registry.realm ?? `${rootUrl}/registry/token` }),
      ...(ca !== undefined && { ca: read.text(ca, `${member}.ca`) }),
    };
  });
}

/** The credentials that a registry is given, each with its prefix and its place in the configuration. */
export function perPrefix({ credentials }: GivenRegistry): [prefix: string, credential: GivenCredential, place: string][] {
  if (!Array.isArray(credentials)) return [['', credentials, 'credentials']];
  return credentials.map(({ prefix, credentials: one }, index) => [prefix, one, `credentials.${index}.credentials`]);
}

/** A host as steps write it. They speak plain HTTP, whose port is not written; some write that of HTTPS. */
export const plainHost = (host: string): string => host.toLowerCase().replace(/:(?:80|443)$/, '');

export const registryName = ({ name, origin }: Pick<GivenRegistry, 'name' | 'origin'>): string => plainHost(name ?? new URL(origin).host);

/** Hosts, with their ports where they are not the default: what steps find their registries by. */
export const registryNames = (registries: readonly ConfiguredRegistry[]): readonly string[] => registries.map(({ name }) => name);

/** As whom that repository is asked for, chosen as the session chooses; where nothing is said of it, as anybody. */
export function credentialFor({ credentials }: ConfiguredRegistry, repository: string): RegistryCredential {
  return byLongestPrefix(credentials, repository)?.credential ?? 'none';
}

/** What no log may show. */
export function registrySecrets(registries: readonly ConfiguredRegistry[]): string[] {
  return registries.flatMap(({ credentials }) =>
    credentials.flatMap(({ credential }) => {
      if (typeof credential === 'string') return [];
      return credential.kind === 'basic' ? credential.password : credential.token;
    }),
  );
}

function credentialOf(given: GivenCredential, member: string, read: FileReader): RegistryCredential {
  if (typeof given === 'string') return given;
  if ('identityTokenFile' in given)
    return { kind: 'refresh', token: read.secret(undefined, given.identityTokenFile, `${member}.identityTokenFile`) };
  const { username, password, passwordFile } = given;
  const place = `${member}.password${password === undefined ? 'File' : ''}`;
  return { kind: 'basic', username, password: read.secret(password, passwordFile, place) };
}
