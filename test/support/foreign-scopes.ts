import { JwtVerifier } from 'aws-jwt-verify';
import { JwtInvalidScopeError } from 'aws-jwt-verify/error';
import type { Handler } from 'express';
import { requiredScopes, scopeIncludesAny } from 'express-oauth2-jwt-bearer';
import { type CryptoKey, decodeJwt, exportJWK, type JWK } from 'jose';
import * as oauth from 'oauth4webapi';

/** What is made with the key that signs, and of the tokens it signs. */
interface Terms {
  issuer: string;
  audience: string;
  kid: string;
  publicKey: CryptoKey;
}

/** The scopes of a token as four libraries read them that nobody here wrote. Two of them only say whether it has some: they are asked. */
export class ForeignScopes {
  private asked = 0;

  private constructor(
    private readonly terms: Terms,
    private readonly jwks: { keys: (JWK & { kid: string })[] },
    private readonly amazon: ReturnType<typeof amazonVerifier>,
  ) {}

  static async knowing(terms: Terms): Promise<ForeignScopes> {
    const jwks = { keys: [{ ...(await exportJWK(terms.publicKey)), kid: terms.kid, alg: 'ES256', use: 'sig' }] };
    const amazon = amazonVerifier(terms);
    amazon.cacheJwks(jwks as Parameters<typeof amazon.cacheJwks>[0]);
    return new ForeignScopes(terms, jwks, amazon);
  }

  /** All scopes of the token. Throws unless all of them agree, also that it has none of `others`. */
  async of(token: string, others: readonly string[]): Promise<string[]> {
    const scopes = split(decodeJwt(token).scope);
    const absent = others.filter((scope) => !scopes.includes(scope));
    const strict = split((await this.validated(token)).scope);
    const agreed = {
      oauth4webapi: same(strict, scopes),
      express: (scopes.length === 0 || passes(requiredScopes(scopes), token)) && !passes(scopeIncludesAny(absent), token),
      amazon: this.amazonAgrees(token, scopes, absent),
    };
    if (Object.values(agreed).every(Boolean)) return scopes;
    throw new Error(`verifiers disagree about ${JSON.stringify({ agreed, scopes, strict, absent })}`);
  }

  /** Each question costs it a look at the signature, so it is asked one at a time: what there is, or what there is not. */
  private amazonAgrees(token: string, scopes: string[], absent: string[]): boolean {
    const takes = (scope: string[]) => this.amazonTakes(token, scope);
    return this.asked++ % 2 === 0 ? scopes.length === 0 || takes(scopes.slice(-1)) : !takes(absent);
  }

  private validated(token: string): Promise<oauth.JWTAccessTokenClaims> {
    const server: oauth.AuthorizationServer = { issuer: this.terms.issuer, jwks_uri: `${this.terms.issuer}/.well-known/jwks.json` };
    const request = new Request('https://api.example.com/', { headers: { authorization: `Bearer ${token}` } });
    const keys = { jwks: this.jwks as oauth.JWKS, uat: Math.floor(Date.now() / 1000) };
    return oauth.validateJwtAccessToken(server, request, this.terms.audience, { [oauth.jwksCache]: keys });
  }

  private amazonTakes(token: string, scope: string[]): boolean {
    try {
      this.amazon.verifySync(token, { scope });
      return true;
    } catch (error) {
      if (error instanceof JwtInvalidScopeError) return false;
      throw error;
    }
  }
}

function amazonVerifier({ issuer, audience }: Terms) {
  return JwtVerifier.create({ issuer, audience, jwksUri: `${issuer}/.well-known/jwks.json` });
}

function passes(handler: Handler, token: string): boolean {
  let refusal: unknown;
  const request = { auth: { payload: decodeJwt(token) } } as unknown as Parameters<Handler>[0];
  handler(request, {} as Parameters<Handler>[1], (error?: unknown) => {
    refusal = error;
  });
  if (refusal !== undefined && (refusal as { code?: string }).code !== 'insufficient_scope') throw refusal;
  return refusal === undefined;
}

function split(scope: unknown): string[] {
  if (scope === undefined) return [];
  if (typeof scope !== 'string') throw new Error(`the scope of a token is ${JSON.stringify(scope)}`);
  return scope.split(' ');
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one, at) => one === b[at]);
}
