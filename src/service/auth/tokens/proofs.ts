import { Injectable } from '@nestjs/common';
import { CredentialError } from '../../../credentials/credential-error.js';
import { PROOF_SKEW, type Proof, verifyProof } from '../../../credentials/dpop.js';
import { Config } from '../../config.js';
import type { SignedRequest } from '../../http/authenticator.js';
import { OAuthError } from '../../http/oauth-error.js';
import { Sql } from '../../postgres/sql.js';
import { recordProof } from './sql/record-proof.js';

/** Seconds until a proof dated as late as can be is too old, and as much again for clocks of replicas that differ. */
const REMEMBERED = 4 * PROOF_SKEW;

/** Proofs of possession that come with requests to us. */
@Injectable()
export class Proofs {
  constructor(
    private readonly config: Config,
    private readonly sql: Sql,
  ) {}

  /** Throws OAuthError unless the request has one that is good for it, and for the token that came with it, if one did. */
  async verify({ method, resource, proof }: SignedRequest, token?: string): Promise<Proof> {
    if (proof === undefined) throw refusal('The token is bound to a key; send a proof of it in the header DPoP', token);
    const path = resource.split('?', 1).join();
    // by what we are called, not by Host: else a proof made for a host that is not ours could be passed on to us
    const urls = [...new Set([this.config.rootUrl, this.config.issuerUrl])].map((url) => url + path);
    try {
      return await verifyProof(proof, { method, urls, now: Date.now() / 1000, ...(token === undefined ? {} : { token }) });
    } catch (error) {
      if (error instanceof CredentialError) throw refusal(error.message, token, error);
      throw error;
    }
  }

  /** Throws OAuthError if it was spent before, with whichever replica. */
  async spend({ id }: Proof, token?: string): Promise<void> {
    const [row] = await this.sql.query(recordProof, [id, REMEMBERED]);
    if (!row) throw refusal('The DPoP proof was used before; make one for each request', token);
  }
}

function refusal(message: string, token: string | undefined, cause?: unknown): OAuthError {
  return new OAuthError('invalid_dpop_proof', message, { cause, code: token === undefined ? 'InputError' : 'AuthenticationFailed' });
}
