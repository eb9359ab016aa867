import type { RegistrySettings } from './registry-settings.js';
import { isRepositoryName } from './repository-path.js';

type Rewrites = RegistrySettings['rewrites'];

interface Requested {
  repository: string;
  mountedFrom?: string;
}

/** What the repositories of a request are called where its token is made. */
export interface ChallengedNames extends Requested {
  /** Whether `repository` is called otherwise, and nobody has said that it may be. */
  isGuess: boolean;
}

/**
 * What a challenge calls the repositories of a request. A gateway that serves `x` as `foo-docker/x` hands on what the registry behind it says,
 * so the end of a name may stand for all of it; the other repository of a mount is then called accordingly, even if it is not named.
 * With `rewrites` nothing is guessed: a name is as requested, or as they say; and they hold where the challenge names nothing.
 *
 * The guess has a price. Who serves `team-b/app` can name `app`, and if there is one, and the credential reaches it, is sent a token for it.
 * An empty list of rewrites is the remedy.
 *
 * @param named the repositories that the challenge names, each once
 * @returns undefined if one of them is neither of the requested
 */
export function challengedNames(requested: Requested, named: readonly string[], rewrites?: Rewrites): ChallengedNames | undefined {
  const [first, second] = named;
  if (named.length > 2) return undefined;
  if (first === undefined) return { ...mapNames(requested, (name) => rewritten(name, rewrites)[0] ?? name), isGuess: false };
  const readings: Partial<Requested>[] = [
    { repository: first, mountedFrom: second },
    { repository: second, mountedFrom: first },
  ];
  const [best] = readings
    .filter((reading) => isPossible(requested, reading, rewrites))
    .sort((a, b) => literalness(requested, b) - literalness(requested, a));
  if (best === undefined) return undefined;
  const names = completed(requested, best, rewrites);
  return { ...names, isGuess: rewrites === undefined && names.repository !== requested.repository };
}

function isPossible(requested: Requested, reading: Partial<Requested>, rewrites: Rewrites): boolean {
  return (['repository', 'mountedFrom'] as const).every((role) => {
    const [name, called] = [requested[role], reading[role]];
    return called === undefined || (name !== undefined && mayBeCalled(name, called, rewrites));
  });
}

/** Where a gateway changes nothing, `app` is the mounted `app`, and not another name of `team-b/app`. */
function literalness({ repository, mountedFrom }: Requested, reading: Partial<Requested>): number {
  return (
    (reading.repository === repository ? 2 : 0) +
    (reading.mountedFrom !== undefined && reading.mountedFrom === mountedFrom ? 2 : 0) +
    (reading.repository === undefined ? 0 : 1)
  );
}

/** The repository that the challenge does not name is called as the one that it does. */
function completed(requested: Requested, { repository, mountedFrom }: Partial<Requested>, rewrites: Rewrites): Requested {
  const alike = (name: string) => {
    if (repository !== undefined) return calledAlike(name, requested.repository, repository, rewrites);
    return calledAlike(name, requested.mountedFrom ?? '', mountedFrom ?? '', rewrites);
  };
  const names = mapNames(requested, alike);
  return {
    repository: repository ?? names.repository,
    ...(requested.mountedFrom !== undefined && { mountedFrom: mountedFrom ?? names.mountedFrom }),
  };
}

function calledAlike(name: string, other: string, otherCalled: string, rewrites: Rewrites): string {
  if (other === otherCalled) return name;
  if (rewrites !== undefined) return rewritten(name, rewrites)[0] ?? name;
  const prefix = other.slice(0, -otherCalled.length);
  if (name.startsWith(prefix)) return name.slice(prefix.length);
  return mayBeCalled(name, otherCalled, rewrites) ? otherCalled : name;
}

function mayBeCalled(name: string, called: string, rewrites: Rewrites): boolean {
  if (called === name) return true;
  if (rewrites !== undefined) return rewritten(name, rewrites).includes(called);
  return name.endsWith(`/${called}`);
}

/** By the longest prefix first. */
function rewritten(name: string, rewrites: Rewrites = []): string[] {
  return rewrites
    .map(({ requested, challenged }) => [parts(requested), parts(challenged)] as const)
    .filter(([prefix]) => prefix.every((part, at) => part === name.split('/')[at]))
    .sort(([a], [b]) => b.length - a.length)
    .map(([prefix, challenged]) => [...challenged, ...name.split('/').slice(prefix.length)].join('/'))
    .filter((called) => isRepositoryName(called));
}

/** A prefix ends with a part of a name, so `team` is none of `team-b/app`. */
function parts(prefix: string): string[] {
  return prefix.split('/').filter((part) => part !== '');
}

function mapNames({ repository, mountedFrom }: Requested, map: (name: string) => string): Requested {
  return { repository: map(repository), ...(mountedFrom !== undefined && { mountedFrom: map(mountedFrom) }) };
}
