/** In the words of the queue, which others are told as the content of an `error` artifact. */
export type UnfitReason =
  | 'file-missing-on-worker'
  | 'invalid-resource-on-worker'
  | 'too-large-file-on-worker'
  | 'file-not-readable-on-worker';

/** What a task wanted kept cannot be, and it is the task's own doing. */
export class UnfitFile extends Error {
  constructor(
    readonly reason: UnfitReason,
    message: string,
  ) {
    super(message);
  }
}

export type ArtifactErrorCode = 'conflict' | 'refused' | 'too-large' | 'changed' | 'unavailable';

/**
 * Why an artifact is not there. `conflict`: its run is over, or there is another one of that name; `refused`: in any other way; `too-large`: for
 * that queue; `changed`: its bytes, while they were sent; `unavailable`: nobody answered, or only with errors, however often it was tried.
 */
export class ArtifactError extends Error {
  constructor(
    readonly code: ArtifactErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
