/** Longest request target that is read, in characters: a digest, a name and the state of an upload take two thousand at most. */
const MAX_TARGET_LENGTH = 8192;

/** Longest name of a repository, in characters, as registries have it. */
const MAX_NAME_LENGTH = 255;

/** Parts of lower-case letters and digits with single separators between them, never at an end: so neither `..` nor an empty part is one. */
const NAME = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*$/;

/**
 * What follows a name. None holds a slash beyond those written here, so the last of them decides where the name ends. A colon may be escaped,
 * as some clients do in digests; any other escape could be a slash or a dot for whoever is behind, and is not understood.
 */
const BELOW_NAME =
  /^\/v2\/(?<name>[^?%]+?)\/(?:(?<upload>blobs\/uploads\/?)|blobs\/uploads?\/[\w=~:+-][\w.=~:+-]*|tags\/list|(?:manifests|blobs|referrers)\/\w(?:[\w.=:+-]|%3[Aa])*)$/;

/** Parts of a path at which a reader less careful than the registry could end the name. The first part of a name cannot be one of these. */
const NAME_ENDS = ['manifests', 'blobs', 'tags', 'referrers'];

/** What a request to a registry is about. */
export interface RepositoryPath {
  /** '' is the catalog of the whole registry. */
  repository: string;
  /** Where a POST may mount a blob: the repository it is in. */
  mountedFrom?: string;
}

/** Whether registries take this for the name of a repository, without a host before it. */
export function isRepositoryName(name: string): boolean {
  return name.length <= MAX_NAME_LENGTH && NAME.test(name);
}

/**
 * Reads the target of a request (path and query, as sent). Whoever reads it must come to the same repository as the registry and all that is
 * between, or a token for one would be sent to another. So what could be read in two ways is not understood: undefined, as for all that is
 * not below `/v2/<name>/` by the API of registries.
 */
export function repositoryPath(target: string): RepositoryPath | undefined {
  if (target.length > MAX_TARGET_LENGTH || !/^[!-~]+$/.test(target) || target.includes('#')) return undefined;
  const [path = '', query] = splitOnce(target, '?');
  const parameters = mountParameters(query ?? '');
  if (parameters === undefined) return undefined;
  const { mount, from } = parameters;
  if (path === '/v2/_catalog') return from === undefined ? { repository: '' } : undefined;
  const { name = '', upload } = BELOW_NAME.exec(path)?.groups ?? {};
  if (!isUnambiguous(name)) return undefined;
  if (from === undefined) return { repository: name };
  // Registries look for `from` in every request, and want to see that it may be pulled.
  return upload !== undefined && mount !== undefined ? { repository: name, mountedFrom: from } : undefined;
}

/**
 * `a/manifests/b` is a fine name, and `/v2/a/manifests/b/manifests/latest` its manifest. But a gateway that looks for the first `/manifests/`
 * asks the repository `a`, with our token. Such names are not served.
 */
function isUnambiguous(name: string): boolean {
  const [, ...parts] = name.split('/');
  return isRepositoryName(name) && !parts.some((part) => NAME_ENDS.includes(part));
}

/**
 * `mount` and `from` of a query; undefined if it is not clear what they are. Some take the first of two `from`, others the last; some end a
 * parameter at a semicolon; some do not tell `From` from `from`.
 */
function mountParameters(query: string): { mount?: string; from?: string } | undefined {
  if (query.includes(';')) return undefined;
  const found: { mount?: string; from?: string } = {};
  for (const [name, value] of new URLSearchParams(query)) {
    const meant = name.trim().toLowerCase();
    if (meant !== 'mount' && meant !== 'from') continue;
    if (name !== meant || found[meant] !== undefined) return undefined;
    if (meant === 'from' && !isUnambiguous(value)) return undefined;
    found[meant] = value;
  }
  return found;
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
