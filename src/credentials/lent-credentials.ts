import type { CertificateGrant, CertificateRequest } from './certificate.js';
import type { Credentials } from './ext.js';

/** The last so many, 4 kB each at most. */
const REMEMBERED = 2_048;

type Lent = Pick<CertificateRequest, 'start'> & { certificate: string; grant: CertificateGrant };

/**
 * Temporary credentials that this process issued, so that it need not find out from their certificate what it knows: to decode, read and
 * verify one takes 16 µs, and a worker's next call nearly always presents what its last one was answered. Nothing depends on being
 * remembered: what is not found is verified. Only for an issuer whose key and scopes stay the same while the process lives.
 */
export class LentCredentials {
  private readonly lent = new Map<string, Lent>();

  constructor(private readonly most = REMEMBERED) {}

  /** Remembers what was issued for this request. Of two under one clientId it is the later. */
  remember({ clientId, accessToken, certificate }: Required<Credentials>, { issuer, scopes, start, expiry }: CertificateRequest): void {
    const oldest = this.lent.keys().next().value;
    if (this.lent.size >= this.most && oldest !== undefined) this.lent.delete(oldest);
    this.lent.set(clientId, { certificate, start, grant: { scopes: [...scopes], expiry, accessToken, issuer: issuer.clientId } });
  }

  /**
   * What `verifyCertificate` would answer, if `ext` is nothing but the certificate that was lent under this clientId, to the character.
   * Outside its period, without the allowance for clocks, it is for others to judge. The comparison takes longer the more of it is
   * right, which tells nothing that its holder does not show: the key, made of the issuer's, is not compared but proved by the MAC.
   */
  find(clientId: string, ext: string | undefined, now: number): CertificateGrant | undefined {
    const lent = this.lent.get(clientId);
    const known = lent && lent.start <= now && now <= lent.grant.expiry && certificateExt(lent.certificate) === ext;
    return known ? lent.grant : undefined;
  }
}

/** The `ext` that clients make of a certificate: that of `extFor`, without reading it. */
function certificateExt(certificate: string): string {
  return Buffer.from(`{"certificate":${certificate}}`).toString('base64');
}
