import { SIGNING_ALGS } from '../../../credentials/signing-key.js';
import { Nested, NestedList, OneOf, Text, Timestamp } from '../../http/shape.js';

/** A public key (RFC 7517). */
export class PublicKeyResponse {
  @OneOf(['EC', 'RSA'])
  kty!: string;

  @OneOf(['sig'])
  use!: string;

  @OneOf(SIGNING_ALGS)
  alg!: string;

  @Text({ description: 'The thumbprint of the key (RFC 7638)' })
  kid!: string;

  @OneOf(['P-256'], { optional: true, description: 'Of an EC key' })
  crv?: string;

  @Text({ optional: true, description: 'Of an EC key' })
  x?: string;

  @Text({ optional: true, description: 'Of an EC key' })
  y?: string;

  @Text({ optional: true, description: 'Of an RSA key' })
  n?: string;

  @Text({ optional: true, description: 'Of an RSA key' })
  e?: string;
}

export class SigningKeyResponse {
  @Text({ description: 'The thumbprint of the key (RFC 7638)' })
  kid!: string;

  @OneOf(SIGNING_ALGS)
  alg!: string;

  @OneOf(['next', 'active', 'retired', 'compromised'], {
    description: 'Published and about to sign; signs; published while its last tokens live; believed by nobody',
  })
  state!: string;

  @Timestamp({ description: 'Since when verifiers can know it' })
  published!: string;

  @Timestamp({ description: 'From when it signs' })
  activeFrom!: string;

  @Timestamp({ optional: true, description: 'From when another one signs; absent: no other is planned' })
  retiredAt?: string;

  @Timestamp({ optional: true, description: 'From when nothing that it signed is alive; then it is forgotten' })
  deleteAfter?: string;

  @Timestamp({ optional: true, description: 'Since when nothing that it signed is believed' })
  compromised?: string;

  @Nested(() => PublicKeyResponse)
  publicJwk!: PublicKeyResponse;
}

export class SigningKeysResponse {
  @NestedList(() => SigningKeyResponse)
  keys!: SigningKeyResponse[];
}
