import { CLIENT_ID, ROLE_ID } from '../http/identifiers.js';
import { Flag, Integer, ListOf, NestedList, OneOf, Scopes, Text, Timestamp } from '../http/shape.js';

const DESCRIPTION = { maxLength: 10_240, description: 'For people, as Markdown' };

export class CreateClientRequest {
  @Timestamp({ description: 'When the client stops working' })
  expires!: string;

  @Text(DESCRIPTION)
  description!: string;

  @Flag({ default: false, description: 'Whether the client is removed once it has expired' })
  deleteOnExpiration!: boolean;

  @Scopes({
    optional: true,
    unique: true,
    maxItems: 10_000,
    description: 'What it may do; absent in an update: unchanged. The caller must hold what is added',
  })
  scopes?: string[];
}

export class ClientResponse {
  @Text({ rule: CLIENT_ID })
  clientId!: string;

  @Text({})
  description!: string;

  @Timestamp()
  expires!: string;

  @Timestamp()
  created!: string;

  @Timestamp()
  lastModified!: string;

  @Timestamp({ description: 'Updated every six hours at most' })
  lastDateUsed!: string;

  @Timestamp({ description: 'When its access token was made' })
  lastRotated!: string;

  @Flag()
  deleteOnExpiration!: boolean;

  @Scopes({ description: 'As stored' })
  scopes!: string[];

  @Scopes({ description: 'With all that its roles grant' })
  expandedScopes!: string[];

  @Flag()
  disabled!: boolean;
}

export class ClientWithTokenResponse extends ClientResponse {
  @Text({ description: 'Shown this once; only reset makes another' })
  accessToken!: string;
}

export class ClientsResponse {
  @NestedList(() => ClientResponse)
  clients!: ClientResponse[];

  @Text({ optional: true })
  continuationToken?: string;
}

export class CreateRoleRequest {
  @Scopes({
    unique: true,
    maxItems: 10_000,
    description: 'What the role grants. In a role whose id ends in *, <..> stands for what the * matched',
  })
  scopes!: string[];

  @Text(DESCRIPTION)
  description!: string;
}

export class RoleResponse {
  @Text({ rule: ROLE_ID })
  roleId!: string;

  @Scopes({ description: 'As stored' })
  scopes!: string[];

  @Scopes({ description: 'All that holding assume:<roleId> grants' })
  expandedScopes!: string[];

  @Text({})
  description!: string;

  @Timestamp()
  created!: string;

  @Timestamp()
  lastModified!: string;
}

export class RolesResponse {
  @NestedList(() => RoleResponse)
  roles!: RoleResponse[];

  @Text({ optional: true })
  continuationToken?: string;
}

export class RoleIdsResponse {
  @ListOf({ maxLength: 1024 })
  roleIds!: string[];

  @Text({ optional: true })
  continuationToken?: string;
}

export class ScopeSet {
  @Scopes({ unique: true, maxItems: 10_000 })
  scopes!: string[];
}

export class ScopesResponse {
  @Scopes()
  scopes!: string[];
}

const METHODS = [
  ...['get', 'post', 'put', 'head', 'delete', 'options', 'trace', 'copy', 'lock', 'mkcol', 'move', 'purge', 'propfind', 'proppatch'],
  ...[
    'unlock',
    'report',
    'mkactivity',
    'checkout',
    'merge',
    'm-search',
    'notify',
    'subscribe',
    'unsubscribe',
    'patch',
    'search',
    'connect',
    'link',
  ],
];

const ADDRESS = {
  pattern: /^(\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F.]*:[0-9a-fA-F:.]*)$/, // up to the first colon: linear in what anybody may send
  description: 'the IP address, version 4 or 6, that the request came from',
};

const HOST = {
  pattern: /^([a-zA-Z0-9._-]+|[0-9a-fA-F]*:[0-9a-fA-F]*:[0-9a-fA-F:.]*|\[[0-9a-fA-F:.]+\])$/,
  description: 'the host name or IP address the request was sent to, without its port; version 6 may be in brackets',
};

export class AuthenticateHawkRequest {
  @OneOf(METHODS, { description: 'The verb, in lower case' })
  method!: string;

  @Text({ description: 'Path and query, as the request line has them' })
  resource!: string;

  @Text({ minLength: 1, maxLength: 255, rule: HOST })
  host!: string;

  @Integer({ minimum: 0, maximum: 65_535 })
  port!: number;

  @Text({ optional: true, description: 'The Authorization header, if there was one' })
  authorization?: string;

  @Text({ optional: true, rule: ADDRESS })
  sourceIp?: string;
}

export class AuthenticateHawkResponse {
  @OneOf(['auth-success', 'auth-failed', 'no-auth'])
  status!: string;

  @OneOf(['hawk', 'none'], { optional: true })
  scheme?: string;

  @Text({ optional: true })
  clientId?: string;

  @Scopes({ optional: true })
  scopes?: string[];

  @Timestamp({ optional: true })
  expires?: string;

  @Text({ optional: true, description: "The payload hash under the MAC; compare it with the body's" })
  hash?: string;

  @Text({ optional: true, description: 'Why authentication failed' })
  message?: string;
}

/** Anybody may sign as the tester, and what a refusal says is missing costs held times required: unbounded, one body would block us for seconds. */
const MOST_TEST_SCOPES = 1000;

export class TestAuthenticateRequest {
  @Scopes({ default: [], maxItems: MOST_TEST_SCOPES, description: 'Scopes of the client `tester`' })
  clientScopes!: string[];

  @Scopes({ default: [], maxItems: MOST_TEST_SCOPES, description: 'Scopes that this call shall require' })
  requiredScopes!: string[];
}

export class TestAuthenticateResponse {
  @Text({})
  clientId!: string;

  @Scopes()
  scopes!: string[];
}
