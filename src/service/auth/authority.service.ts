import { Injectable } from '@nestjs/common';
import { createArtifactScope, ownRunScopes, runRole } from '../../credentials/run-grant.js';
import { mergeScopeSets, normalHolds, remainingScopes } from '../../scopes/scope-set.js';
import { Authority, type Grant, type Loss, type Remainder } from '../http/authority.js';
import type { Creator } from '../http/caller.js';
import { ANONYMOUS, Registry } from './registry.js';

/** Of so many runs it is remembered that they were covered: 10 MB. At 50 claims a second they are those of a lease of 20 minutes. */
const REMEMBERED = 65_536;

/** Of so many creators the scopes are remembered, however much that is: a megabyte each is no harm. */
const CREATORS = 64;

type RunName = Pick<Grant, 'taskId' | 'runId'>;

/** Of a run: the version of clients and roles at which its creator held all that it has. It still does, if it is still a client. */
interface Cover extends Pick<Grant, 'creator' | 'creatorSince'> {
  version: string;
}

/** Of a run that has nothing: it is given nothing, either. */
const FOR_EVER: Cover = { version: '', creator: '', creatorSince: null };

/**
 * Creators and what they hold now. A client that was deleted, disabled or has expired holds nothing. Temporary credentials count as the
 * client that issued them: that they end is no reason, as tasks are meant to outlive who created them. A client made anew under the name
 * of another one is another one.
 */
@Injectable()
export class AuthorityService extends Authority {
  private readonly covered = new Map<string, Cover>();
  /** By creator: its scopes at a version, in normal form. */
  private readonly ofClients = new Map<string, { version: string; scopes: string[] }>();

  constructor(private readonly registry: Registry) {
    super();
  }

  trace(creator: Creator, scopes: readonly string[]): Creator {
    const { clientId, run, elders } = creator;
    if (elders.length === 0 || scopes.length === 0 || clientId === null || run === null) return { ...creator, elders: [] };
    const beyond = (normal: readonly string[], some: readonly string[]) => some.filter((scope) => !normalHolds(normal, scope));
    const ownOf = (one: string) => this.registry.expandOrKeep(ownScopesOf(one));
    let rest = beyond(ownOf(run), beyond(this.scopesOf(clientId), scopes));
    const givers = elders.filter((elder) => {
      const before = rest.length;
      rest = before > 0 ? beyond(ownOf(elder), rest) : rest;
      return rest.length < before;
    });
    return { ...creator, elders: givers };
  }

  isCovered(run: RunName): boolean {
    const name = nameOf(run);
    const cover = this.covered.get(name);
    if (cover === undefined || !(cover === FOR_EVER || this.holdsStill(cover))) return false;
    this.covered.delete(name); // and to the end: those that are over are the first to be forgotten
    this.covered.set(name, cover);
    return true;
  }

  covers(grant: Grant): boolean {
    const { creator, creatorSince, scopes } = grant;
    const run = nameOf(grant);
    if (scopes.length === 0) {
      remember(this.covered, REMEMBERED, run, FOR_EVER);
      return true;
    }
    const known = this.covered.get(run);
    if (known !== undefined && known !== FOR_EVER && this.holdsStill(known)) return true;
    const cover = { version: this.registry.version, creator, creatorSince };
    if (!this.holdsStill(cover) || this.keptOf(grant) !== scopes) return false;
    remember(this.covered, REMEMBERED, run, cover);
    return true;
  }

  async remaining(grant: Grant): Promise<Remainder> {
    await this.registry.refresh(); // a client that another replica has just made is not to be taken for one that is gone
    const gone = this.whyGone(grant);
    return gone ? { scopes: remainingScopes(grant.scopes, []), because: gone } : { scopes: this.keptOf(grant), because: 'scopes-lost' };
  }

  /** What is left of the scopes to the run; the very same list if it is all. */
  private keptOf({ creator, creatorRun, elderRuns, scopes }: Grant): readonly string[] {
    const ofClient = this.scopesOf(creator);
    const kept = remainingScopes(scopes, ofClient);
    if (kept === scopes || creatorRun === null) return kept;
    const ofRuns = this.registry.expandOrKeep([creatorRun, ...(elderRuns ?? [])].flatMap(ownScopesOf));
    return remainingScopes(scopes, mergeScopeSets(ofClient, ofRuns));
  }

  /** All that the client may do, be it standing or not, and what everybody may. */
  private scopesOf(creator: string): string[] {
    const { version } = this.registry;
    const last = this.ofClients.get(creator);
    if (last?.version === version) return last.scopes;
    const own = this.registry.expandOrKeep(this.registry.client(creator)?.scopes ?? []);
    const scopes = mergeScopeSets(own, this.registry.expandOrKeep([ANONYMOUS])); // apart: an anonymous role that is too much takes nothing from others
    remember(this.ofClients, CREATORS, creator, { version, scopes });
    return scopes;
  }

  /** Who waited for a task was authenticated when the copy in memory was fresh; it may not be by now. */
  private holdsStill(cover: Cover): boolean {
    return this.registry.isFresh && cover.version === this.registry.version && !this.whyGone(cover);
  }

  /** Why the creator holds nothing any more; undefined: it may. */
  private whyGone({ creator, creatorSince }: Pick<Grant, 'creator' | 'creatorSince'>): Loss | undefined {
    if (creator === '') return undefined;
    const client = this.registry.client(creator);
    if (!client) return 'client-deleted';
    if (creatorSince !== null && creatorSince.getTime() !== client.created.getTime()) return 'client-replaced';
    if (client.disabled) return 'client-disabled';
    return client.expires.getTime() < Date.now() ? 'client-expired' : undefined;
  }
}

function nameOf({ taskId, runId }: RunName): string {
  return `${taskId}/${runId}`;
}

/** Forgets what was put in first when there are too many. */
function remember<Value>(values: Map<string, Value>, most: number, key: string, value: Value): void {
  const oldest = values.keys().next().value;
  if (values.size >= most && !values.has(key) && oldest !== undefined) values.delete(oldest);
  values.set(key, value);
}

/** What a run has of itself, beside its task's scopes: its creator never had it, but the run may give it to the tasks that it creates. */
function ownScopesOf(run: string): string[] {
  const [taskId = '', runId] = run.split('/');
  const id = { taskId, runId: Number(runId) };
  return [runRole(id), ...ownRunScopes(id), createArtifactScope(id)];
}
