import { Integer, Text, Timestamp } from '../http/shape.js';

const WORD = { maxLength: 300, optional: true };
const TOKEN = { maxLength: 16_384, optional: true };

/** A form (distribution, "Docker Registry v2 authentication using OAuth2"). */
export class RegistryTokenRequest {
  @Text({ maxLength: 300, description: '`password` or `refresh_token`' })
  grant_type!: string;

  @Text({ ...WORD, description: 'As registries name it in their challenges: `REGISTRY_SERVICE`; absent: that' })
  service?: string;

  @Text({ ...WORD, description: 'Which program asks; not looked at' })
  client_id?: string;

  @Text({ optional: true, maxLength: 8192, description: 'Registry scopes, separated by spaces; absent: none, to log in' })
  scope?: string;

  @Text({ ...WORD, description: '`offline`: a refresh token is wanted, too' })
  access_type?: string;

  @Text({ ...TOKEN, description: 'A client id, with its access token as password; or any name, with a task token' })
  username?: string;

  @Text(TOKEN)
  password?: string;

  @Text({ ...TOKEN, description: 'Of this service; needs `grant_type=refresh_token`' })
  refresh_token?: string;
}

export class RegistryTokenResponse {
  @Text({ description: 'A JWT for registries' })
  token!: string;

  @Text({ description: 'The same' })
  access_token!: string;

  @Integer({ minimum: 1, description: 'Seconds' })
  expires_in!: number;

  @Timestamp({ description: "By the database's clock" })
  issued_at!: string;

  @Text({ optional: true, description: 'What was granted of what was asked for; absent: nothing' })
  scope?: string;

  @Text({ optional: true, description: 'For clients with permanent credentials that ask for one' })
  refresh_token?: string;
}
