import { Injectable } from '@nestjs/common';
import { CredentialError } from '../../credentials/credential-error.js';
import {
  authorizedRest,
  createArtifactScope,
  isWorkerIdentity,
  type RunHolder,
  runScopes,
  runStanding,
  whyRunIsOver,
  withoutWorkerIdentity,
} from '../../credentials/run-grant.js';
import { holdsScope } from '../../scopes/scope-set.js';
import { ANONYMOUS, Registry } from './registry.js';
import type { RunRow } from './sql/run-columns.js';

/** What holding a run amounts to now, be it shown by its own credentials or by a token made with them. */
@Injectable()
export class RunAuthority {
  constructor(private readonly registry: Registry) {}

  /** All that the run may do, expanded. */
  held(holder: RunHolder, taskScopes: readonly string[]): string[] {
    return this.expand(holder, [...runScopes({ ...holder, taskScopes }), ANONYMOUS]);
  }

  /** task.scopes never hold the worker's identity, but a role that they assume may: it is not followed. */
  expand(holder: RunHolder, scopes: readonly string[]): string[] {
    return this.registry.expandWithout(scopes, (scope) => isWorkerIdentity(scope, holder));
  }

  /**
   * What scopes mean to which credentials of the run restrict themselves: of those that the run has lost, what is left. `held` is what it may
   * do, expanded.
   */
  authorized(scopes: readonly string[], holder: RunHolder, run: RunRow, held = this.held(holder, run.taskScopes)): string[] {
    const named = withoutWorkerIdentity(scopes, holder);
    return run.definedScopes ? authorizedRest(named, this.held(holder, run.definedScopes), held) : named;
  }

  /** Throws CredentialError unless that is the run, and who holds it. */
  assertHeld(holder: RunHolder, run: RunRow | undefined): asserts run is RunRow {
    if (run && run.workerGroup === holder.workerGroup && run.workerId === holder.workerId) return;
    throw new CredentialError(whyRunIsOver(holder, undefined));
  }

  /** What of these scopes the run's state leaves. Throws CredentialError where that is nothing. */
  left(scopes: readonly string[], holder: RunHolder, run: RunRow): readonly string[] {
    const standing = runStanding(run);
    if (standing === 'everything') return scopes;
    if (standing === 'nothing') throw new CredentialError(whyRunIsOver(holder, run));
    const upload = createArtifactScope(holder);
    return this.registry.expand(holdsScope(scopes, upload) ? [upload, ANONYMOUS] : [ANONYMOUS]);
  }
}
