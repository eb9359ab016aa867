import { createLocalJWKSet, decodeProtectedHeader, SignJWT } from 'jose';
import * as oauth from 'oauth4webapi';
import { generateSigningKey, type SigningAlg, usableKey } from '../src/credentials/signing-key.js';
import { JWKS_MAX_AGE, longestBelief, PUBLISH_LEAD } from '../src/service/auth/keys/key-life.js';
import { Keyring } from '../src/service/auth/keys/keyring.js';
import { KeysService } from '../src/service/auth/keys/keys.service.js';
import { Config } from '../src/service/config.js';
import { World } from './operations/world.js';
import type { Credentials } from './support/api.js';
import { CachingProxy } from './support/caching-proxy.js';
import { Clock } from './support/clock.js';
import { isEnded } from './support/ended-token.js';
import { eventually } from './support/service-process.js';
import { JWKS, later } from './support/signing-keys.js';
import { claimsOf, GRANT, HERE, Prover, TYPE, tokenForUs, tokenOf } from './support/task-tokens.js';
import { ok } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';
import {
  AUDIENCE,
  discovered,
  fetchOptions,
  type Kind,
  type Opened,
  type Place,
  SCOPE,
  VERIFIERS,
  type Verifier,
  WAITING,
} from './support/verifiers.js';

/*
 * Tokens of claimed runs, before verifiers that nobody here wrote and nobody here changed. They reach two replicas by a cache.
 */

type Replica = Awaited<ReturnType<TestService['replica']>>;

let test: TestService;
let other: Replica;
let world: World;
let place: Place;
beforeAll(async () => {
  const config = { sweepInterval: 600, claimPoll: 0, rootUrl: HERE, issuerUrl: HERE };
  test = await startTestService(config);
  other = await test.replica();
  world = new World(test);
  const clock = new Clock();
  place = { clock, proxy: await CachingProxy.start([test.root.url, other.root.url], clock), prover: await Prover.make() };
});
afterAll(async () => {
  await place.proxy.close();
  await other.close();
  await test.close();
});

interface Run {
  taskId: string;
  credentials: Credentials;
}

async function claimed(): Promise<Run> {
  const { params, credentials } = await world.run({ scopes: ['packages:read:*'] });
  return { taskId: params.taskId, credentials };
}

/** A token of a run, of which the resource servers want no other, unless `fields` make it another. */
async function issue(kind: Kind, { credentials }: Run, fields: Record<string, string | undefined> = {}, at: Replica | TestService = test) {
  const api = at.root.as(credentials);
  if (kind === 'identity') return tokenOf(api, { requested_token_type: TYPE('id_token'), ...fields });
  const headers: Record<string, string> = kind === 'bound' ? { dpop: await place.prover.proof('POST', '/oauth/token') } : {};
  return tokenOf(api, { scope: SCOPE, ...fields }, { headers });
}

/** Resource servers, started; they are looked up by name, as tables are written before anything starts. */
class Servers {
  private readonly opened = new Map<string, Opened>();

  static async open(at: Place, verifiers = VERIFIERS): Promise<Servers> {
    const servers = new Servers(at);
    await Promise.all(verifiers.map(async ({ name, open }) => servers.opened.set(name, await open(at))));
    return servers;
  }

  private constructor(private readonly at: Place) {}

  of({ name }: Verifier): Opened {
    const opened = this.opened.get(name);
    if (!opened) throw new Error(`${name} was not started`);
    return opened;
  }

  /** By its own clock. */
  verify(verifier: Verifier, token: string) {
    return this.at.clock.run(() => this.of(verifier).verify(token));
  }

  async close(): Promise<void> {
    await Promise.all([...this.opened.values()].map(({ close }) => close?.()));
  }
}

const named = VERIFIERS.map((verifier) => [verifier.name, verifier] as const);

describe('a token of a run that goes on', () => {
  let run: Run;
  let renamed: Replica;
  let servers: Servers;
  beforeAll(async () => {
    run = await claimed();
    renamed = await test.replica({ issuerUrl: 'https://elsewhere.example.com' });
    servers = await Servers.open(place);
  });
  afterAll(async () => {
    await servers.close();
    await renamed.close();
  });

  const part = (token: string, index: number) => token.split('.')[index] as string;
  /** The token with its payload changed. */
  const changed = (token: string) => {
    const payload = Buffer.from(JSON.stringify({ ...claimsOf(token), fence: 7 })).toString('base64url');
    return [part(token, 0), payload, part(token, 2)].join('.');
  };
  /** The token with a bit of its signature turned. */
  const turned = (token: string) => {
    const signature = Buffer.from(part(token, 2), 'base64url');
    signature[9]! ^= 1;
    return [part(token, 0), part(token, 1), signature.toString('base64url')].join('.');
  };
  /** The same, signed by somebody else. */
  const forged = async (token: string, kid?: string) => {
    const header = decodeProtectedHeader(token) as { alg: SigningAlg; kid: string };
    const { publicJwk, privateKey } = await usableKey(header.alg, (await generateSigningKey(header.alg)).privateJwk);
    return new SignJWT(claimsOf(token)).setProtectedHeader({ ...header, kid: kid ?? publicJwk.kid }).sign(privateKey);
  };

  it.each(named)('is taken by %s', async (_, verifier) => {
    const token = await issue(verifier.takes, run);
    expect(await servers.verify(verifier, token)).toMatchObject({ sub: `task-run:${run.taskId}/0`, task: run.taskId, fence: 1 });
  });

  const refusals: [string, keyof Verifier['says'], (kind: Kind) => Promise<string>][] = [
    ['for another audience', 'audience', (kind) => issue(kind, run, { audience: 'https://other.example.com' })],
    ['for one that begins as this one', 'audience', (kind) => issue(kind, run, { audience: `${AUDIENCE}/v2` })],
    ['without scopes', 'scope', (kind) => issue(kind, run, { scope: undefined })],
    ['with another scope', 'scope', (kind) => issue(kind, run, { scope: 'packages:read:team/other' })],
    ['with one that begins as this one', 'scope', (kind) => issue(kind, run, { scope: `${SCOPE}lication` })],
    ['of the other type', 'kind', (kind) => issue(kind === 'identity' ? 'access' : 'identity', run)],
    ['of an issuer of another name, by the same keys', 'issuer', (kind) => issue(kind, run, {}, renamed)],
    ['with a bit of the signature turned', 'signature', async (kind) => turned(await issue(kind, run))],
    ['with another fence', 'signature', async (kind) => changed(await issue(kind, run))],
    [
      'by another issuer, by its own key under our name for ours',
      'signature',
      async (kind) => {
        const token = await issue(kind, run);
        return forged(token, decodeProtectedHeader(token).kid);
      },
    ],
    ['by another issuer, by a key of its own', 'key', async (kind) => forged(await issue(kind, run))],
  ];
  describe.each(refusals)('%s', (_, refusal, make) => {
    it.each(named.filter(([, { says }]) => says[refusal]))('is refused by %s', async (_name, verifier) => {
      await expect(servers.verify(verifier, await make(verifier.takes))).rejects.toThrow(verifier.says[refusal]);
    });
  });

  it.each(named.filter(([, { says }]) => says.scope))('with a pattern for a scope: %s', async (_, verifier) => {
    const verdict = servers.verify(verifier, await issue(verifier.takes, run, { scope: 'packages:read:*' }));
    // a library that compares scopes knows no patterns: its tokens have to name what it wants
    await (verifier.takesPatterns
      ? expect(verdict).resolves.toMatchObject({ scope: 'packages:read:*' })
      : expect(verdict).rejects.toThrow(verifier.says.scope));
  });

  describe.each(named.filter(([, { takes }]) => takes === 'bound'))('bound to a key, before %s', (_, verifier) => {
    const proof = (by: Prover, token: string, claims: object = {}) =>
      by.proof('GET', '', token, { htu: servers.of(verifier).url, ...claims });
    const requests: [string, (token: string) => Promise<Record<string, string>>, RegExp][] = [
      ['as Bearer', async (token) => ({ authorization: `Bearer ${token}` }), /DPoP/],
      ['as Bearer, with a proof', async (token) => ({ authorization: `Bearer ${token}`, dpop: await proof(place.prover, token) }), /DPoP/],
      ['without a proof', async (token) => ({ authorization: `DPoP ${token}` }), /^400|DPoP/],
    ];
    it.each(requests)('is refused %s', async (_how, headers, says) => {
      await expect(servers.of(verifier).receive!(await headers(await issue('bound', run)))).rejects.toThrow(says);
    });

    const proofs: [string, (token: string) => Promise<string>, RegExp][] = [
      ['of somebody else', async (token) => proof(await Prover.make(), token), /confirmation|jkt/],
      ['for another URL', (token) => proof(place.prover, token, { htu: `${AUDIENCE}/other` }), /htu/],
      ['for another method', (token) => proof(place.prover, token, { htm: 'POST' }), /htm/],
      ['for another token', () => proof(place.prover, 'another'), /ath/],
      ['of an hour ago', (token) => proof(place.prover, token, { iat: Math.floor(Date.now() / 1000) - 3_600 }), /iat/],
    ];
    it.each(proofs)('is refused with a proof %s', async (_what, made, says) => {
      const token = await issue('bound', run);
      const headers = { authorization: `DPoP ${token}`, dpop: await made(token) };
      await expect(servers.of(verifier).receive!(headers)).rejects.toThrow(says);
    });

    it('is taken with the same proof again: to keep those that were seen is left to the resource server', async () => {
      const token = await issue('bound', run);
      const headers = { authorization: `DPoP ${token}`, dpop: await proof(place.prover, token) };
      for (let n = 0; n < 2; n++) await servers.of(verifier).receive!(headers);
    });
  });
});

/** The issuer by discovery, and a client of it that holds these scopes. */
async function registered(...scopes: string[]) {
  const server = await discovered(place, 'oauth2');
  const { credentials } = await test.client(...scopes);
  const known = async () => (await other.root.as(credentials).get('/auth/v1/scopes/current')).status !== 401;
  await eventually('the other replica has heard of the client', known);
  const client = { client_id: credentials!.clientId };
  const [secret, options] = [oauth.ClientSecretBasic(credentials!.accessToken), fetchOptions(place)];
  return {
    introspect: async (token: string) =>
      oauth.processIntrospectionResponse(server, client, await oauth.introspectionRequest(server, client, secret, token, options)),
    revoke: async (token: string) => oauth.processRevocationResponse(await oauth.revocationRequest(server, client, secret, token, options)),
  };
}

describe('oauth4webapi as a client', () => {
  it('introspects and revokes, from discovery alone', async () => {
    const run = await claimed();
    const token = await issue('access', run);
    const { introspect, revoke } = await registered(`auth:introspect:${AUDIENCE}`, 'auth:revoke-token');
    expect(await introspect(token)).toMatchObject({ active: true, sub: `task-run:${run.taskId}/0`, scope: SCOPE });
    await revoke(token);
    expect(await introspect(token)).toEqual({ active: false });
  });

  it('exchanges a token for another', async () => {
    const run = await claimed();
    const subject_token = await tokenForUs(test.root.as(run.credentials), `packages:read:* assume:task-run:${run.taskId}/0`);
    const parameters = { audience: AUDIENCE, scope: SCOPE, subject_token, subject_token_type: TYPE('access_token') };
    const [server, client, options] = [await discovered(place, 'oidc'), { client_id: 'anything' }, fetchOptions(place)];
    const answer = await oauth.genericTokenEndpointRequest(server, client, oauth.None(), GRANT, parameters, options);
    const result = await oauth.processGenericTokenEndpointResponse(server, client, answer);
    expect(result).toMatchObject({ scope: SCOPE, issued_token_type: TYPE('access_token') });
    const servers = await Servers.open(place, VERIFIERS.slice(0, 1));
    expect(await servers.verify(VERIFIERS[0]!, result.access_token)).toMatchObject({ sub: `task-run:${run.taskId}/0` });
  });
});

describe('a token of a run that has ended', () => {
  let servers: Servers;
  beforeAll(async () => {
    servers = await Servers.open(place);
  });
  afterAll(() => servers.close());

  const read = async (uri: string) => {
    const answer = await fetch(uri.replace(HERE, place.proxy.url));
    expect(answer.status).toBe(200);
    return answer.text();
  };

  /** As a resource server does that looks at the list, too, through the cache. */
  async function isGood(verifier: Verifier, token: string): Promise<boolean> {
    const keys = createLocalJWKSet(await ok(test.root.as().get(JWKS)));
    await servers.verify(verifier, token);
    return !(await isEnded(token, read, keys));
  }

  it.each<[string, (run: Run) => Promise<unknown>]>([
    ['completed', ({ taskId, credentials }) => ok(test.root.as(credentials).post(`/queue/v1/task/${taskId}/runs/0/completed`))],
    ['cancelled', ({ taskId }) => ok(world.tasks.steer('cancel', taskId))],
  ])('%s is refused at once by who introspects, in 5 s by who reads the list, after exp by everybody', async (_, end) => {
    const run = await claimed();
    const { introspect } = await registered(`auth:introspect:${AUDIENCE}`);
    const holders = await Promise.all(VERIFIERS.map(async (verifier) => ({ verifier, token: await issue(verifier.takes, run) })));
    const asked = holders.filter(({ verifier }) => verifier.takes !== 'identity'); // of which nobody is told anything
    for (const { verifier, token } of holders) expect([verifier.name, await isGood(verifier, token)]).toEqual([verifier.name, true]);
    for (const { token } of asked) expect(await introspect(token)).toMatchObject({ active: true, scope: SCOPE });

    await end(run);
    const ended = performance.now();
    const answers = await Promise.all(asked.map(({ token }) => introspect(token)));
    expect(answers).toEqual(asked.map(() => ({ active: false })));

    const told = holders.map(async ({ verifier, token }) => {
      await eventually(`${verifier.name} and the list refuse it`, async () => !(await isGood(verifier, token)), 10_000, 50);
      return [verifier.name, performance.now() - ended] as const;
    });
    for (const [name, took] of await Promise.all(told)) expect([name, took < 5_000]).toEqual([name, true]);

    for (const { verifier, token } of holders) await refusedAfterItsEnd(verifier, token);
  });

  /** Who asks nobody believes it until then: there is no more to see in the token itself. */
  async function refusedAfterItsEnd(verifier: Verifier, token: string): Promise<void> {
    const clock = new Clock();
    const its = await Servers.open({ ...place, clock }, [verifier]);
    const left = claimsOf(token).exp - Date.now() / 1000;
    clock.pass(left - 30);
    await its.verify(verifier, token);
    clock.pass(60);
    await expect(its.verify(verifier, token)).rejects.toThrow(verifier.says.expired);
    await its.close();
  }
});

describe('while keys are rotated', () => {
  const STEP = 30;
  /** Steps: the first is right after the cache has asked for keys, and will not again for as long as it may; the other soon after the first. */
  const ROTATE_AT = [1, 1 + PUBLISH_LEAD / STEP + 2];
  const DAY = 86_400;

  const ringOf = ({ service }: Replica | TestService) => service.app.get(Keyring);
  const keysOf = async () => (await ok(test.root.get('/auth/v1/keys'))).keys as { kid: string; alg: string; state: string }[];

  /** Keys and tokens get older in data, as if time passed, and both replicas look. */
  async function pass(): Promise<void> {
    await later(test.database.pool, STEP);
    await Promise.all([test, other].map((replica) => ringOf(replica).refresh()));
  }

  /** Tokens of some runs, new ones and old ones again, before all who take them. */
  class Stream {
    readonly refused: string[] = [];
    readonly kids = new Map<string, Set<string>>();
    verified = 0;
    private readonly issued: { token: string; kind: Kind; until: number }[] = [];

    constructor(
      private readonly clock: Clock,
      private readonly verifiers: Verifier[],
      private readonly servers: Servers,
    ) {}

    /** A run gets a token from a replica; it is presented, and so are a few that live, from the oldest one on. */
    async round(kind: Kind, run: Run, at: Replica | TestService): Promise<void> {
      const living = this.issued.filter(({ until }) => until > this.clock.ahead + STEP);
      const old = [0, 0.25, 0.5, 0.75].map((part) => living[Math.floor(living.length * part)]);
      const from = this.clock.ahead;
      const token = await issue(kind, run, {}, at);
      const { exp, iat } = claimsOf(token);
      const fresh = { token, kind, until: from + exp - iat };
      this.issued.push(fresh);
      await Promise.all([fresh, ...old].map((one) => one && this.present(one.kind, one.token)));
    }

    private async present(kind: Kind, token: string): Promise<void> {
      for (const verifier of this.verifiers.filter(({ takes }) => takes === kind)) {
        await this.servers.verify(verifier, token).then(
          () => this.kids.set(verifier.name, (this.kids.get(verifier.name) ?? new Set()).add(String(decodeProtectedHeader(token).kid))),
          ({ message }) => this.refused.push(`${verifier.name} after ${this.clock.ahead} s: ${message}`),
        );
        this.verified++;
      }
    }
  }

  /*
   * The caches of verifiers, and one before the service, have a clock that goes on after the data. What a token says is the database's time,
   * which stands still: so the libraries are told to take tokens a day after their end, and the stream shows only those that live.
   */
  it('refuses no good token, in the whole life of two rotations, whatever its library and a cache before it keep', async () => {
    const clock = new Clock();
    const proxy = await CachingProxy.start([test.root.url, other.root.url], clock);
    const verifiers = [WAITING, ...VERIFIERS.filter(({ takes, name }) => takes !== 'bound' && !name.includes('any scope'))];
    const servers = await Servers.open({ ...place, proxy, clock, tolerance: DAY }, verifiers);
    const runs = [
      ['access', await claimed()],
      ['identity', await claimed()],
    ] as const;
    const stream = new Stream(clock, verifiers, servers);
    const first = (await keysOf()).filter(({ state }) => state === 'active').map(({ kid }) => kid);

    const askCache = async () => (await fetch(proxy.url + JWKS)).text(); // as others do all the time
    const rounds = (step: number) => runs.map(([kind, run], index) => stream.round(kind, run, (step + index) % 2 ? other : test));
    await askCache();
    clock.pass(JWKS_MAX_AGE - STEP); // so what verifiers first learn is nearly as old as it may be, and so is what they learn later
    await Promise.all(rounds(0));
    const lives = ROTATE_AT[1]! * STEP + PUBLISH_LEAD + longestBelief(test.service.app.get(Config)) + 4 * STEP;
    for (let step = 0; step * STEP < lives; step++) {
      await askCache();
      if (ROTATE_AT.includes(step)) for (const alg of ['ES256', 'RS256']) await ok(test.root.post(`/auth/v1/keys/${alg}/rotate`));
      await Promise.all([pass(), ...rounds(step)]); // keys change while tokens are made and shown
      clock.pass(STEP);
      await other.service.app.get(KeysService).forget();
    }

    expect(stream.refused).toEqual([]);
    expect(stream.verified).toBeGreaterThan(4_000);
    for (const { name } of verifiers) expect([name, stream.kids.get(name)?.size]).toEqual([name, 1 + ROTATE_AT.length]);
    const keys = await keysOf();
    expect(keys.map(({ alg, state }) => `${alg} ${state}`).sort()).toEqual(['ES256 active', 'RS256 active']);
    for (const { kid } of keys) expect(first).not.toContain(kid);
    await servers.close();
    await proxy.close();
  }, 120_000);

  it('a key that leaked is believed until caches are too old, and by a library that never asks again until it is started anew', async () => {
    const clock = new Clock();
    const at = { ...place, clock, proxy: await CachingProxy.start([test.root.url, other.root.url], clock) };
    const verifiers = VERIFIERS.filter(({ takes }) => takes === 'access');
    const servers = await Servers.open(at, verifiers);
    const token = await issue('access', await claimed());
    const { introspect } = await registered(`auth:introspect:${AUDIENCE}`);
    expect(await introspect(token)).toMatchObject({ active: true });
    await Promise.all(verifiers.map((verifier) => servers.verify(verifier, token)));
    await ok(test.root.post(`/auth/v1/keys/${decodeProtectedHeader(token).kid}/compromise`));
    await Promise.all([test, other].map((replica) => ringOf(replica).refresh()));
    expect(await introspect(token)).toEqual({ active: false });
    clock.pass(JWKS_MAX_AGE + 600); // what the libraries keep keys for at most, unless for ever
    for (const verifier of verifiers) {
      const verdict = servers.verify(verifier, token);
      await (verifier.name.startsWith('aws-jwt-verify')
        ? expect(verdict).resolves.toBeDefined()
        : expect(verdict).rejects.toThrow(verifier.says.key));
    }
    const anew = await Servers.open(at, verifiers);
    for (const verifier of verifiers) await expect(anew.verify(verifier, token)).rejects.toThrow(verifier.says.key);
    await Promise.all([servers.close(), anew.close()]);
    await at.proxy.close();
  });
});
