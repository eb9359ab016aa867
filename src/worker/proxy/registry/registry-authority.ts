import type { RequiredScopes } from '../../../registry-tokens/registry-scope.js';
import { holdsScope } from '../../../scopes/scope-set.js';
import { type ConfiguredRegistry, credentialFor } from '../../config/registries.js';
import { RegistryRefusal } from './registry-refusal.js';

/**
 * What a task may ask of registries whose credentials are the operator's, or that take none: what the scopes of its signed definition say,
 * as they are written there. With the run's own credentials the token service decides, and this does not.
 */
export class RegistryAuthority {
  /** @param held the scopes of the definition; roles are the queue's word, and only the definition was signed */
  constructor(private readonly held: readonly string[]) {}

  /** Throws RegistryRefusal 403, naming the scope that is missing. */
  assert(registry: ConfiguredRegistry, required: RequiredScopes): void {
    const [missing] = this.#missing(registry, required);
    if (missing === undefined) return;
    const of = required.repository === '' ? 'the catalogue' : required.repository;
    throw new RegistryRefusal(403, 'DENIED', `${of} at ${registry.name}: the task needs the scope ${missing} in its definition`, {
      registry: registry.name,
      repository: required.repository,
      scope: missing,
    });
  }

  allows(registry: ConfiguredRegistry, required: RequiredScopes): boolean {
    return this.#missing(registry, required).length === 0;
  }

  #missing(registry: ConfiguredRegistry, { repository, scopes }: RequiredScopes): string[] {
    if (credentialFor(registry, repository) === 'run') return [];
    return scopes.flatMap((scope) => taskScopes(registry.name, scope)).filter((scope) => !this.#holds(scope));
  }

  /** Who may push may pull: a registry wants both for it. */
  #holds(scope: string): boolean {
    return holdsScope(this.held, scope) || (scope.startsWith(PULL) && holdsScope(this.held, `${ACCESS}:push:${scope.slice(PULL.length)}`));
  }
}

/** Not `registry:…`, by which our token service grants what is its own: `registry:pull:*` would else be leave to use any operator's credentials. */
const ACCESS = 'registry-access';
const PULL = `${ACCESS}:pull:`;

/** What our token service wants of a task for these registry scopes, where it is asked as the run. Who may push may pull. */
export function scopesOfRun(registry: ConfiguredRegistry, registryScopes: readonly string[]): string[] {
  return registryScopes.flatMap((scope) => {
    const { repository, actions } = partsOf(scope);
    if (credentialFor(registry, repository) !== 'run') return [];
    if (repository === '') return ['registry:catalog'];
    const needed = actions.includes('push') ? actions.filter((action) => action !== 'pull') : actions;
    return needed.map((action) => `registry:${action}:${repository}`);
  });
}

/** Ours for one of the registry's: `repository:team/app:pull,push` is `registry-access:pull:<registry>/team/app` and the same with `push`. */
function taskScopes(registry: string, registryScope: string): string[] {
  const { repository, actions } = partsOf(registryScope);
  if (repository === '') return [`${ACCESS}:catalog:${registry}`];
  return actions.map((action) => `${ACCESS}:${action}:${registry}/${repository}`);
}

/** Without a repository it is about the catalogue. */
function partsOf(registryScope: string): { repository: string; actions: string[] } {
  const [, type, name = '', actions = ''] = /^([^:]+):(.*):([^:]*)$/s.exec(registryScope) ?? [];
  return { repository: type === 'repository' ? name : '', actions: actions.split(',') };
}
