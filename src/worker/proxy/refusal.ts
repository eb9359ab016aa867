/** What the proxy itself answers instead of the service, in the service's words. The message names what is wrong and the fix; the step reads it. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    /** Of the service's catalogue of errors, so that its clients know what to do: those of 5xx are tried again. */
    readonly code:
      | 'InvalidRequestArguments'
      | 'InsufficientScopes'
      | 'ResourceNotFound'
      | 'InputTooLarge'
      | 'InternalServerError'
      | 'ServiceUnavailable',
    message: string,
  ) {
    super(message);
  }

  get body(): string {
    return `${JSON.stringify({ code: this.code, message: this.message })}\n`;
  }
}

/** 400. */
export function malformed(message: string): Refusal {
  return new Refusal(400, 'InvalidRequestArguments', message);
}
