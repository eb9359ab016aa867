import { Injectable } from '@nestjs/common';
import { isArtifactClientId } from '../../credentials/artifact-grant.js';
import { CredentialError } from '../../credentials/credential-error.js';
import { digestsEqual } from '../../credentials/hmac.js';
import { LentCredentials } from '../../credentials/lent-credentials.js';
import { createArtifactScope, ownRunScopes, parseRunClientId, QUEUE_ISSUER, type RunHolder } from '../../credentials/run-grant.js';
import { ApiError } from '../http/api-error.js';
import { AuthenticationError, type Signer } from '../http/authentication-error.js';
import { type Authenticated, Authenticator, type SignedRequest } from '../http/authenticator.js';
import { Caller, type Grounds } from '../http/caller.js';
import { accountOf } from '../http/quota.js';
import { Sql } from '../postgres/sql.js';
import { touchClient } from './client-table.js';
import { ScopeUses } from './explain/scope-uses.js';
import { type Directory, type Identity, identify, isProven, restrict } from './identify.js';
import { ANONYMOUS, type Client, Registry } from './registry.js';
import { RunAuthority } from './run-authority.js';
import { RunLooks } from './run-looks.js';
import { findRun } from './sql/find-run.js';
import type { RunRow } from './sql/run-columns.js';

const ANONYMOUS_MS = 15 * 60 * 1000;
/** Of a caller without credentials: what everybody has is not among them. */
const NO_GROUNDS: Grounds = { scopes: [], temporary: false, authorizedScopes: undefined, signedUrl: false };
const TOUCH_MS = 6 * 60 * 60 * 1000;

export interface ClientSecret {
  clientId: string;
  accessToken: string;
}

/** Something that a stored client, or one in the configuration, is known by. */
export interface ClientProof {
  clientId: string;
  proves(client: Client): boolean;
}

/** Authenticates requests in process: clients and roles from memory; only credentials of a run cost a look at that run. */
@Injectable()
export class AuthenticateService extends Authenticator {
  private readonly directory: Directory;

  constructor(
    private readonly registry: Registry,
    private readonly sql: Sql,
    private readonly authority: RunAuthority,
    private readonly looks: RunLooks,
    lent: LentCredentials,
    private readonly uses: ScopeUses,
  ) {
    super();
    this.directory = {
      client: (clientId) => registry.client(clientId),
      expand: (scopes) => registry.expand(scopes),
      lent: (clientId, ext, now) => lent.find(clientId, ext, now),
    };
  }

  async authenticate(request: SignedRequest, ownRun?: { taskId: string; runId: string }): Promise<Authenticated> {
    await this.registry.fresh();
    const now = Date.now();
    let identity: Identity | undefined;
    try {
      identity = identify(request, this.directory, now);
      if (!identity) return { caller: this.anonymous(now), anonymous: true };
      const caller = isOfRun(identity) ? await this.run(identity, ownRun) : this.client(identity, now);
      const { hash } = identity;
      return hash === undefined ? { caller, anonymous: false } : { caller, anonymous: false, hash };
    } catch (error) {
      if (error instanceof CredentialError) throw new AuthenticationError(error.message, signerOf(identity), { cause: error });
      throw error;
    }
  }

  /**
   * Who knows the access token of a stored client, or of one in the configuration: by the first of these pairs that are one's. Throws ApiError
   * AuthenticationFailed.
   */
  async authenticateSecret(pairs: readonly ClientSecret[]): Promise<Caller> {
    const found = await this.authenticateClient(pairs.map(bySecret));
    if (found) return found.caller;
    throw new ApiError('AuthenticationFailed', 'No client has this id and this access token, or it is disabled or has expired');
  }

  /** By the first of these that proves one; undefined: none does, or that client is disabled or has expired. */
  async authenticateClient(proofs: readonly ClientProof[]): Promise<{ caller: Caller; client: Client } | undefined> {
    await this.registry.fresh();
    const now = Date.now();
    const client = proofs.map((proof) => this.clientBy(proof, now)).find((found) => found !== undefined);
    if (!client) return undefined;
    this.touch(client.clientId, now);
    return { client, caller: new Caller(client.clientId, this.registry.expand([...client.scopes, ANONYMOUS]), client.expires) };
  }

  private clientBy({ clientId, proves }: ClientProof, now: number): Client | undefined {
    const client = this.registry.client(clientId);
    const usable = client && !client.disabled && client.expires.getTime() >= now && clientId !== QUEUE_ISSUER;
    return usable && proves(client) ? client : undefined;
  }

  accountOf(request: SignedRequest): string {
    try {
      const identity = identify(request, this.directory, Date.now());
      identity?.verifyMac();
      return accountOf(identity?.issuer, identity !== undefined && isOfRun(identity));
    } catch (error) {
      if (error instanceof CredentialError || error instanceof ApiError) return accountOf(undefined, false);
      throw error;
    }
  }

  private anonymous(now: number): Caller {
    const expires = new Date(now + ANONYMOUS_MS);
    return new Caller(undefined, this.registry.expand([ANONYMOUS]), expires, undefined, undefined, NO_GROUNDS);
  }

  private client(identity: Identity, now: number): Caller {
    const held = this.registry.expand([...identity.scopes, ANONYMOUS]);
    const scopes = restrict(identity, held, this.registry, ANONYMOUS);
    identity.verifyMac();
    this.touch(identity.issuer, now);
    const since = this.registry.client(identity.issuer)?.created;
    return new Caller(identity.clientId, scopes, identity.expires, undefined, identity.issuer, groundsOf(identity), undefined, since);
  }

  /**
   * Credentials of a run. The MAC comes first here: only their holder makes us read the run. While they decide about their own
   * run nothing is read at all, because the statement that reclaims or resolves decides whether it is still held. Nor is it noted as a use of
   * scopes: every run is given those three, and a row for each run that ends would cost more than all other uses.
   */
  private async run(identity: Identity, ownRun: { taskId: string; runId: string } | undefined): Promise<Caller> {
    const { clientId, authorizedScopes, expires } = identity;
    const holder = parseRunClientId(clientId);
    if (!holder) throw new CredentialError(`Client with clientId '${QUEUE_ISSUER}' not found`);
    identity.verifyMac();
    const own = ownRun?.taskId === holder.taskId && Number(ownRun.runId) === holder.runId;
    if (own && authorizedScopes === undefined) {
      const { taskId, runId, workerGroup, workerId } = holder;
      const scopes = [...ownRunScopes(holder), createArtifactScope(holder)];
      return new Caller(clientId, scopes, expires, { taskId, runId, workerGroup, workerId, creator: null });
    }
    const run = await this.runOf(holder);
    const held = this.authority.held(holder, run.taskScopes);
    const scopes = this.runScopes(identity, holder, run, held);
    // a signed URL outlives its run: that is what the grace is for
    const left = own || identity.signedUrl ? scopes : this.authority.left(scopes, holder, run);
    const ofOthers = authorizedScopes ? this.uses.of(held) : this.uses;
    const uses = own ? undefined : ofOthers;
    return new Caller(
      clientId,
      left,
      expires,
      { ...holder, creator: run.creator, losses: run.losses },
      clientId,
      groundsOf(identity),
      uses,
    );
  }

  private async runOf(holder: RunHolder): Promise<RunRow> {
    const [run] = await this.looks.take(holder, () => this.sql.query(findRun, [holder.taskId, holder.runId]));
    this.authority.assertHeld(holder, run);
    return run;
  }

  private runScopes(identity: Identity, holder: RunHolder, run: RunRow, held: string[]): readonly string[] {
    const authorizedScopes = identity.authorizedScopes && this.authority.authorized(identity.authorizedScopes, holder, run, held);
    const directory = { expand: (scopes: readonly string[]) => this.authority.expand(holder, scopes) };
    return restrict({ ...identity, authorizedScopes }, held, directory, ANONYMOUS);
  }

  /** Records that a stored client was used, every six hours at most; nobody waits for it. */
  private touch(clientId: string, now: number): void {
    const client = this.registry.client(clientId);
    if (!client || client.fixed || now - client.lastUsed.getTime() < TOUCH_MS) return;
    client.lastUsed = new Date(now);
    this.sql.query(touchClient, [clientId]).catch(() => undefined);
  }
}

export function bySecret({ clientId, accessToken }: ClientSecret): ClientProof {
  return { clientId, proves: (client) => digestsEqual(client.accessToken, accessToken) };
}

function groundsOf({ scopes, temporary, authorizedScopes, signedUrl }: Identity): Grounds {
  return { scopes, temporary, authorizedScopes, signedUrl };
}

/** Whose request it was, if its MAC is right: the credentials of a run that is over, or of who authorizes more than it holds. */
function signerOf(identity: Identity | undefined): Signer | undefined {
  if (!identity || !isProven(identity)) return undefined;
  const { clientId, issuer } = identity;
  const ofRun = isOfRun(identity);
  return { clientId, account: accountOf(issuer, ofRun), run: ofRun ? parseRunClientId(clientId) : undefined };
}

/** What the queue signs is of a run, or of one artifact; the latter holds no more than what its certificate says. */
function isOfRun({ issuer, clientId }: Identity): boolean {
  return issuer === QUEUE_ISSUER && !isArtifactClientId(clientId);
}
