import { Injectable } from '@nestjs/common';
import { CredentialError } from '../../../credentials/credential-error.js';
import { runStanding } from '../../../credentials/run-grant.js';
import { joinScopes } from '../../../credentials/task-token.js';
import type { Caller } from '../../http/caller.js';
import { isMadeFrom, isOwn } from './own-token.js';
import { TaskTokens } from './task-tokens.js';
import type { IntrospectionResponse } from './tokens.dto.js';

/** Says what a token is worth now (RFC 7662). */
@Injectable()
export class IntrospectService {
  constructor(private readonly tokens: TaskTokens) {}

  /**
   * To the resource server that the token is for, to its run, and to who has a token that it was made from. All others are told what they would be of any text. An identity is
   * never active: it would pass for an access token with whoever only asks us.
   */
  async introspect(token: string, caller: Caller): Promise<IntrospectionResponse> {
    try {
      const verified = await this.tokens.verify(token, 'at+jwt');
      const { claims } = verified;
      const may = isOwn(claims, caller) || caller.holds(`auth:introspect:${claims.aud}`);
      if (!may && caller.run?.byToken === undefined) return { active: false };
      const held = await this.tokens.find(verified);
      if (!may && !isMadeFrom(held, caller)) return { active: false };
      if (runStanding(held.run) !== 'everything') return { active: false };
      const { scope: _, ...rest } = claims;
      const scope = joinScopes(this.tokens.granted(held));
      return { active: true, ...rest, ...(scope === '' ? {} : { scope }), token_type: claims.cnf ? 'DPoP' : 'Bearer' };
    } catch (error) {
      if (error instanceof CredentialError) return { active: false };
      throw error;
    }
  }
}
