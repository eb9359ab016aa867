/** Why a worker cannot begin, or go on, as it was set up. The message names the place and the fix. */
export class SetupError extends Error {}
