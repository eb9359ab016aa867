import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';
import type { ScopeTemplate } from '../../scopes/scope-expression.js';

export const REQUIRED_SCOPES = 'leasehold:required-scopes';
export const OWN_RUN = 'leasehold:own-run';
export const WAITS = 'leasehold:waits';

/**
 * The scopes an operation needs; every operation declares it. `null` = none, and then credentials are not even looked at.
 * A template that needs only URL parameters is enforced by the guard; any other by the handler's `caller.require(...)`.
 */
export function RequireScopes(template: ScopeTemplate | null): MethodDecorator {
  const documented = template === null ? [] : [ApiExtension('x-required-scopes', template)];
  return applyDecorators(SetMetadata(REQUIRED_SCOPES, template), ...documented);
}

/** Marks the operations in which a run's credentials decide about that run: reclaim, resolve, and leave an artifact. */
export function OwnRun(): MethodDecorator {
  return SetMetadata(OWN_RUN, true);
}

/** Marks the operations that wait for something to happen: how many of those there may be they bound themselves. */
export function Waits(): MethodDecorator {
  return SetMetadata(WAITS, true);
}
