import { ERRORS } from './api-error.js';
import { JsonObject, Nested, OneOf, Text, Timestamp } from './shape.js';

class RequestInfo {
  @Text({ description: 'The name of the operation' })
  method!: string;

  @JsonObject({ description: 'The URL parameters' })
  params!: object;

  @JsonObject({ description: 'The body as received' })
  payload!: object;

  @Timestamp()
  time!: string;
}

/** How every refusal looks. Programs read the status and `code`; `message` is for people and names the fix. */
export class ErrorResponse {
  @OneOf(Object.keys(ERRORS))
  code!: string;

  @Text({})
  message!: string;

  @Text({ optional: true, description: 'With SignatureRefused: a stable code of what is wrong, such as signature-expired' })
  detail?: string;

  @Nested(() => RequestInfo)
  requestInfo!: RequestInfo;
}
