import { Flag, Integer, JsonObject, OneOf, Text } from '../../http/shape.js';

const TOKEN = { maxLength: 16_384 };
const WORD = { maxLength: 200 };

/** RFC 8693, 2.1. */
export class ExchangeRequest {
  @Text({ ...WORD, description: 'urn:ietf:params:oauth:grant-type:token-exchange' })
  grant_type!: string;

  @Text({
    rule: {
      pattern: /^[\x21\x23-\x5b\x5d-\x7e]{1,512}$/,
      description: '1 to 512 printable ASCII characters but space, double quote and backslash',
    },
    description: 'Whom the token is for: one, by the name that it knows itself by',
  })
  audience!: string;

  @Text({ optional: true, maxLength: 8192, description: 'Scopes that what asks holds, separated by spaces; absent: none' })
  scope?: string;

  @Text({ ...WORD, optional: true, description: 'urn:ietf:params:oauth:token-type:access_token; or jwt or id_token, for an identity' })
  requested_token_type?: string;

  @Text({
    ...TOKEN,
    optional: true,
    description: "An access token of the run whose audience is this service, instead of a signature with the run's credentials",
  })
  subject_token?: string;

  @Text({ ...WORD, optional: true, description: 'urn:ietf:params:oauth:token-type:access_token, or jwt' })
  subject_token_type?: string;

  @Text({ ...TOKEN, optional: true, description: 'Not taken' })
  resource?: string;

  @Text({ ...TOKEN, optional: true, description: 'Not taken' })
  actor_token?: string;

  @Text({ ...WORD, optional: true, description: 'Not taken' })
  actor_token_type?: string;
}

/** RFC 8693, 2.2.1. */
export class TokenResponse {
  @Text({ description: 'The token, also where it is no access token' })
  access_token!: string;

  @Text({})
  issued_token_type!: string;

  @OneOf(['Bearer', 'DPoP', 'N_A'], { description: 'DPoP: it is bound to the key of the proof. N_A: it is an identity' })
  token_type!: string;

  @Integer({ minimum: 0, description: 'Seconds' })
  expires_in!: number;

  @Text({ optional: true })
  scope?: string;
}

/** RFC 7662, 2.1, and RFC 7009, 2.1. */
export class TokenRequest {
  @Text({ maxLength: 65_536, description: 'A token' })
  token!: string;

  @Text({ ...WORD, optional: true, description: 'Not needed: the token says what it is' })
  token_type_hint?: string;
}

/** RFC 7662, 2.2: of a token that is not active nothing but that. */
export class IntrospectionResponse {
  @Flag()
  active!: boolean;

  @Text({ optional: true, description: 'What of its scopes the run holds now' })
  scope?: string;

  @Text({ optional: true, description: "The client id of the run's own credentials" })
  client_id?: string;

  @OneOf(['Bearer', 'DPoP'], { optional: true })
  token_type?: string;

  @Integer({ optional: true, minimum: 0, description: 'Unix seconds' })
  exp?: number;

  @Integer({ optional: true, minimum: 0 })
  iat?: number;

  @Integer({ optional: true, minimum: 0 })
  nbf?: number;

  @Text({ optional: true, description: 'task-run:<taskId>/<runId>' })
  sub?: string;

  @Text({ optional: true })
  aud?: string;

  @Text({ optional: true })
  iss?: string;

  @Text({ optional: true })
  jti?: string;

  @Text({ optional: true })
  task?: string;

  @Integer({ optional: true, minimum: 0 })
  run?: number;

  @Text({ optional: true })
  task_queue?: string;

  @Text({ optional: true, description: '<workerGroup>/<workerId>' })
  worker?: string;

  @Text({ optional: true, description: 'The task group' })
  group?: string;

  @Text({ optional: true })
  project?: string;

  @Integer({ optional: true, minimum: 0, description: 'How often the task was claimed: refuse what is smaller than one you have seen' })
  fence?: number;

  @JsonObject({ optional: true, description: 'jkt: the thumbprint of the key that the token is bound to' })
  cnf?: object;

  @JsonObject({ optional: true, description: "status_list: where the token's status is told" })
  status?: object;
}
