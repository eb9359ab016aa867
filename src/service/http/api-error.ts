/** The error catalogue: every code this service answers, its status, and when it may be used. */
export const ERRORS = {
  MalformedPayload: {
    status: 400,
    when: 'the body is not JSON, is not an object, or comes without `content-type: application/json`; or is no form where one is taken',
  },
  InvalidRequestArguments: { status: 400, when: 'a URL parameter or the query string is invalid' },
  InputValidationError: { status: 400, when: 'a field of the body has the wrong shape' },
  SignatureRefused: { status: 400, when: 'the task is not signed as its task queue wants it; `detail` says what is wrong' },
  InputError: { status: 400, when: 'the fields of the body contradict one another, the clock, or what is stored' },
  AuthenticationFailed: { status: 401, when: 'credentials were sent and are not good, or no longer' },
  InsufficientScopes: { status: 403, when: 'the caller, known or anonymous, lacks scopes' },
  ResourceNotFound: { status: 404, when: 'the thing named in the URL does not exist' },
  NoMatchingMethod: { status: 406, when: 'we know none of the methods that the caller accepts' },
  RequestConflict: { status: 409, when: 'the request contradicts the state of the thing it is about' },
  ResourceExpired: { status: 410, when: 'the artifact has expired' },
  InputTooLarge: { status: 413, when: 'the body is larger than 10 MiB, or an artifact or a task is larger than it may be' },
  RangeNotSatisfiable: { status: 416, when: 'there are no bytes in the range that was asked for' },
  InternalServerError: { status: 500, when: 'we failed; the incident id finds it in the log' },
  ServiceUnavailable: { status: 503, when: 'there is too much to do at once, or the database is away; try again after `Retry-After`' },
} as const satisfies Record<string, { status: number; when: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** A refusal with a code of the catalogue. The message names what is wrong and the fix; it is shown to the caller. */
export class ApiError extends Error {
  /** A stable code of what is wrong in particular. */
  readonly detail: string | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: ErrorOptions & { detail?: string | undefined } = {},
  ) {
    super(message, options);
    this.detail = options.detail;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}
