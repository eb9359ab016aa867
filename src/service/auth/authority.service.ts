import { Injectable } from '@nestjs/common';
import { createArtifactScope, ownRunScopes, runRole } from '../../credentials/run-grant.js';
import { mergeScopeSets, remainingScopes } from '../../scopes/scope-set.js';
import { Authority, type Grant } from '../http/authority.js';
import { ANONYMOUS, type Client, Registry } from './registry.js';

/** Of so many runs it is remembered that they were covered: 1 MB. */
const REMEMBERED = 4_096;

/** Of so many creators the scopes are remembered, however much that is: a megabyte each is no harm. */
const CREATORS = 64;

/**
 * Creators and what they hold now. A client that was deleted, disabled or has expired holds nothing. Temporary credentials count as the
 * client that issued them: that they end is no reason, as tasks are meant to outlive who created them.
 */
@Injectable()
export class AuthorityService extends Authority {
  /** By run: the version of clients and roles at which its creator held all that it has. */
  private readonly covered = new Map<string, string>();
  /** By creator: its scopes at a version, in normal form. */
  private readonly ofClients = new Map<string, { version: string; scopes: string[] }>();

  constructor(private readonly registry: Registry) {
    super();
  }

  covers(grant: Grant): boolean {
    if (grant.scopes.length === 0) return true;
    if (!this.registry.isFresh || !this.isStanding(grant.creator)) return false; // who waited for a task began when it was fresh
    const run = `${grant.taskId}/${grant.runId}`;
    const { version } = this.registry;
    if (this.covered.get(run) === version) return true;
    if (this.keptOf(grant) !== grant.scopes) return false;
    remember(this.covered, REMEMBERED, run, version);
    return true;
  }

  async remaining(grant: Grant): Promise<readonly string[]> {
    await this.registry.refresh(); // a client that another replica has just made is not to be taken for one that is gone
    return this.isStanding(grant.creator) ? this.keptOf(grant) : remainingScopes(grant.scopes, []);
  }

  /** What is left of the scopes to the run; the very same list if it is all. */
  private keptOf({ creator, creatorRun, scopes }: Grant): readonly string[] {
    const ofClient = this.scopesOf(creator);
    const kept = remainingScopes(scopes, ofClient);
    if (kept === scopes || creatorRun === null) return kept;
    return remainingScopes(scopes, mergeScopeSets(ofClient, this.registry.expandOrKeep(ownScopesOf(creatorRun))));
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

  private isStanding(creator: string): boolean {
    return creator === '' || isStanding(this.registry.client(creator), Date.now());
  }
}

/** Forgets what was put in first when there are too many. */
function remember<Value>(values: Map<string, Value>, most: number, key: string, value: Value): void {
  const oldest = values.keys().next().value;
  if (values.size >= most && !values.has(key) && oldest !== undefined) values.delete(oldest);
  values.set(key, value);
}

function isStanding(client: Client | undefined, now: number): boolean {
  return client !== undefined && !client.disabled && client.expires.getTime() >= now;
}

/** What a run has of itself, beside its task's scopes: its creator never had it, but the run may give it to the tasks that it creates. */
function ownScopesOf(run: string): string[] {
  const [taskId = '', runId] = run.split('/');
  const id = { taskId, runId: Number(runId) };
  return [runRole(id), ...ownRunScopes(id), createArtifactScope(id)];
}
