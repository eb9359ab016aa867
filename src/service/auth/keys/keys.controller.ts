import { Controller, Get, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { SIGNING_ALGS, type SigningAlg } from '../../../credentials/signing-key.js';
import { CallerOf } from '../../http/caller.decorator.js';
import type { Caller } from '../../http/caller.js';
import { Operation } from '../../http/operation.decorator.js';
import { RequireScopes } from '../../http/require-scopes.decorator.js';
import { UrlParam } from '../../http/url-param.js';
import { SigningKeyResponse, SigningKeysResponse } from './keys.dto.js';
import { KeysService } from './keys.service.js';

const Alg = () => UrlParam('alg', { pattern: new RegExp(`^(${SIGNING_ALGS.join('|')})$`), description: SIGNING_ALGS.join(' or ') });
const Kid = () => UrlParam('kid', { pattern: /^[\w-]{43}$/, description: 'the id of a key: its thumbprint, 43 characters' });

@ApiTags('auth: keys')
@Controller('api/auth/v1/keys')
export class KeysController {
  constructor(private readonly keys: KeysService) {}

  @Get()
  @RequireScopes('auth:list-keys')
  @Operation({
    summary: 'List the keys that sign tokens',
    description: 'Public halves and times; the private ones are never answered.',
    response: SigningKeysResponse,
  })
  async listKeys(): Promise<SigningKeysResponse> {
    return { keys: await this.keys.list() };
  }

  @Post(':alg/rotate')
  @RequireScopes('auth:rotate-keys:<alg>')
  @Operation({
    summary: 'Begin to replace the key of an algorithm',
    description:
      'The new key is published at once and signs ten minutes later, when every verifier that heeds cache-control knows it. The former ' +
      'one stays published until the last token that it signed has ended.',
    response: SigningKeyResponse,
    errors: ['RequestConflict'],
  })
  rotateKeys(@CallerOf() caller: Caller, @Alg() alg: string): Promise<SigningKeyResponse> {
    return this.keys.rotate(alg as SigningAlg, caller.clientId);
  }

  @Post(':kid/compromise')
  @RequireScopes('auth:compromise-key:<kid>')
  @Operation({
    summary: 'Believe nothing any more that a key has signed',
    description:
      'For a key that leaked. It is published no more, and its tokens are dead at once; elsewhere as soon as a verifier has asked for the ' +
      'keys anew. If it was the one that signs, another one does from now on. Doing it again succeeds.',
    response: SigningKeyResponse,
    errors: ['ResourceNotFound'],
  })
  compromiseKey(@CallerOf() caller: Caller, @Kid() kid: string): Promise<SigningKeyResponse> {
    return this.keys.compromise(kid, caller.clientId);
  }
}
