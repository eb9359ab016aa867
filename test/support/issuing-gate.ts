import type { IssuingCode } from './issuing-code.js';
import type { SeededRandom } from './seeded-random.js';
import { condemn } from './verdict.js';

export const NOW = Date.now();
export const HOUR = 3_600_000;
export const CLIENT = { clientId: 'fuzz/client', accessToken: 'a-client-token-0123456789abcdefghijklmnopqrs' };
export const QUEUE_TOKEN = 'the-queue-token-0123456789abcdefghijklmnopqr';

const REQUEST = { method: 'GET', resource: '/api/queue/v1/ping', host: 'tasks.example.com', port: 443 };

export interface Credentials {
  clientId: string;
  accessToken: string;
  certificate: string;
}

interface Use {
  authorizedScopes?: readonly string[];
  /** By the process that lent them, which need not read them. */
  remembered?: boolean;
}

/** Where credentials are shown: two issuers are known there, a client and the queue. */
export class IssuingGate {
  constructor(
    private readonly code: IssuingCode,
    private readonly random: SeededRandom,
    private readonly lent: InstanceType<IssuingCode['LentCredentials']>,
    private readonly expand: (scopes: readonly string[]) => string[],
  ) {}

  /** What a certificate is taken to say, by one of the ways to take it. Throws CredentialError. */
  scopesOf(credentials: Credentials, clientScopes: string[]): string[] {
    if (this.random.chance(0.3)) {
      const identity = this.identify(credentials, clientScopes, { remembered: this.random.chance(0.5) });
      identity.verifyMac();
      return [...identity.scopes];
    }
    const { clientId, accessToken } = credentials;
    const certificate: unknown = JSON.parse(credentials.certificate);
    const issuer = this.issuer(this.code.certificateIssuer(clientId, certificate), clientScopes);
    const claim = { clientId, certificate, issuer: { ...issuer, scopes: this.expand(issuer.scopes) }, now: NOW };
    const grant = this.code.verifyCertificate(claim);
    if (grant.accessToken !== accessToken) condemn('credentials whose key is another one', { credentials });
    return grant.scopes;
  }

  /** Who signed a request with them, but for the MAC. Throws CredentialError. */
  identify(credentials: Credentials, clientScopes: string[], { authorizedScopes, remembered }: Use) {
    const restriction = authorizedScopes ? { authorizedScopes } : {};
    const authorization = this.code.authorizationHeader(credentials, REQUEST, { nowMs: NOW, nonce: 'abcdef', ...restriction });
    const directory = {
      client: (clientId: string) => this.issuer(clientId, clientScopes),
      expand: this.expand,
      ...(remembered ? { lent: (id: string, ext: string | undefined, now: number) => this.lent.find(id, ext, now) } : {}),
    };
    const identity = this.code.identify({ ...REQUEST, authorization }, directory, NOW);
    if (!identity) throw new Error('signed, and yet anonymous');
    return identity;
  }

  private issuer(clientId: string, clientScopes: string[]) {
    const known = { expires: new Date(NOW + HOUR), disabled: false };
    if (clientId === CLIENT.clientId) return { ...CLIENT, ...known, scopes: clientScopes };
    if (clientId === this.code.QUEUE_ISSUER) return { clientId, accessToken: QUEUE_TOKEN, ...known, scopes: ['*'] };
    throw new Error(`nobody is called ${clientId}`);
  }
}
