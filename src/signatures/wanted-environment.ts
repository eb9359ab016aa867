import type { Definition } from './task-payload.js';

/** The environment that a definition asks for, which nobody has looked at yet: that of the payloads which our workers run. */
export function wantedEnvironment({ payload }: Definition): unknown {
  return typeof payload === 'object' && payload !== null && Object.hasOwn(payload, 'env') ? (payload as { env: unknown }).env : undefined;
}
