import { Injectable } from '@nestjs/common';
import { generateSigningKey, usableKey } from '../../credentials/signing-key.js';
import { Keyring, type SigningKey } from '../auth/keys/keyring.js';
import { openToken, sealToken } from '../auth/token-cipher.js';
import { Config } from '../config.js';
import { Keys } from '../keys.js';
import { Sql } from '../postgres/sql.js';
import { certify, isOf, LEAF_LIFE, type Root, rootCertificate } from './certificates.js';
import { type AuthorityRow, findRegistryAuthority } from './sql/find-registry-authority.js';
import { insertFirstRegistryAuthority } from './sql/insert-first-registry-authority.js';

/**
 * Vouches for the keys that sign registry tokens. Registries read their configuration once, and our keys change: so what they are configured
 * with is one certificate that stays, and each token brings along that of its key.
 */
@Injectable()
export class RegistryAuthority {
  private root: Promise<Root> | undefined;
  private leaf: { kid: string; until: number; x5c: Promise<string> } | undefined;

  constructor(
    private readonly sql: Sql,
    private readonly keys: Keys,
    private readonly keyring: Keyring,
    private readonly config: Config,
  ) {}

  /** What registries are configured with, in PEM. Throws DatabaseAway. */
  async certificate(): Promise<string> {
    return (await this.opened()).certificate;
  }

  /** That of the key which signs now, as `x5c` has it. It is made anew when half of its life is left. Throws DatabaseAway. */
  async certificateOf({ kid }: SigningKey): Promise<string> {
    const now = Date.now();
    const { leaf } = this;
    if (leaf?.kid === kid && leaf.until > now && leaf.until - now <= LEAF_LIFE / 2) return leaf.x5c; // a clock that was set back, too
    const x5c = this.opened().then((root) => certify(root, this.publicJwk(kid), now));
    const next = { kid, until: now + LEAF_LIFE / 2, x5c };
    this.leaf = next;
    x5c.catch(() => {
      if (this.leaf === next) this.leaf = undefined;
    });
    return x5c;
  }

  private publicJwk(kid: string) {
    const jwk = this.keyring.jwks().keys.find((key) => key.kid === kid);
    if (!jwk) throw new Error(`the key ${kid} signs, but is not published`);
    return jwk;
  }

  /** All who ask at once share one look; one that failed is forgotten. */
  private opened(): Promise<Root> {
    if (this.root) return this.root;
    const root = this.open();
    this.root = root;
    root.catch(() => {
      this.root = undefined;
    });
    return root;
  }

  private async open(): Promise<Root> {
    const [row] = await this.sql.query(findRegistryAuthority);
    if (row) return this.read(row);
    await this.makeFirst();
    const [made] = await this.sql.query(findRegistryAuthority); // maybe by another replica, at the same moment
    if (!made) throw new Error('the authority of registry tokens was deleted just now');
    return this.read(made);
  }

  /** Whoever can only write to the database cannot have operators trust a certificate of their own: it must be that of the sealed key. */
  private async read({ kid, certificate, sealed }: AuthorityRow): Promise<Root> {
    const { publicJwk, privateKey } = await usableKey('ES256', JSON.parse(openToken(this.keys.signing, sealedAs(kid), sealed)));
    if (publicJwk.kid !== kid || !(await isOf(certificate, publicJwk)))
      throw new Error('the certificate of the authority of registry tokens is not of its key; delete the row of registry_authority');
    return { certificate, privateKey };
  }

  private async makeFirst(): Promise<void> {
    const { publicJwk, privateJwk } = await generateSigningKey('ES256');
    const { privateKey } = await usableKey('ES256', privateJwk);
    const name = `Leasehold registry tokens of ${this.config.issuerUrl}`.slice(0, LONGEST_COMMON_NAME);
    const certificate = await rootCertificate(name, publicJwk, privateKey, Date.now());
    const sealed = sealToken(this.keys.signing, sealedAs(publicJwk.kid), JSON.stringify(privateJwk));
    await this.sql.query(insertFirstRegistryAuthority, [publicJwk.kid, certificate, sealed]);
  }
}

/** RFC 5280, appendix A.1: ub-common-name. */
const LONGEST_COMMON_NAME = 64;

/** No key that signs tokens can be put in its place, nor the other way round. */
function sealedAs(kid: string): string {
  return `registry-authority ${kid}`;
}
