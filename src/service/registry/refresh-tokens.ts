import { Injectable } from '@nestjs/common';
import { digestsEqual, hmac } from '../../credentials/hmac.js';
import type { ClientProof } from '../auth/authenticate.service.js';
import type { Client } from '../auth/registry.js';
import { Config } from '../config.js';
import { Keys } from '../keys.js';

/**
 * What `docker login` keeps instead of an access token. It is of no use but for tokens of this deployment's registries, may be used again and
 * again (clients do, at the same time), and nothing of it is stored: it ends when its client is deleted, made anew, disabled or
 * given another access token, since it is signed over all that.
 */
@Injectable()
export class RefreshTokens {
  constructor(
    private readonly keys: Keys,
    private readonly config: Config,
  ) {}

  /** That of a permanent client: always the same one. */
  of(client: Client): string {
    return `${Buffer.from(client.clientId).toString('base64url')}.${this.macOf(client)}`;
  }

  /** Whom it is of, and how that is known; undefined: it is none. */
  proofOf(token: string): ClientProof | undefined {
    const [, id, mac] = /^([\w-]{1,2000})\.([\w-]{43})$/.exec(token) ?? [];
    if (id === undefined || mac === undefined) return undefined;
    return { clientId: Buffer.from(id, 'base64url').toString(), proves: (client) => digestsEqual(this.macOf(client), mac) };
  }

  /** The lists as JSON, so that no two of them have one text. */
  private macOf({ clientId, created, accessToken }: Client): string {
    return hmac(
      this.keys.registry,
      JSON.stringify([clientId, this.config.registryService, created.toISOString(), accessToken]),
      'base64url',
    );
  }
}
