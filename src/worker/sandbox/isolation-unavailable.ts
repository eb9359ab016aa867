import { SetupError } from '../state/setup-error.js';

type Code = 'NOT_LINUX' | 'RUNS_AS_ROOT' | 'BWRAP_MISSING' | 'SANDBOX_BROKEN';

/** Steps cannot be isolated here. The message tells why, and the fix. */
export class IsolationUnavailable extends SetupError {
  constructor(
    readonly code: Code,
    message: string,
  ) {
    super(message);
  }
}
