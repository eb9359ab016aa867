import { createLocalJWKSet, createRemoteJWKSet, type JSONWebKeySet, jwtVerify, SignJWT } from 'jose';
import { generateSigningKey, type SigningAlg } from '../src/credentials/signing-key.js';
import { CLOCK_SKEW, JWKS_MAX_AGE, longestBelief, PUBLISH_LEAD } from '../src/service/auth/keys/key-life.js';
import { Keyring } from '../src/service/auth/keys/keyring.js';
import { KeysService } from '../src/service/auth/keys/keys.service.js';
import { openedKey, sealedKey } from '../src/service/auth/keys/sealed-key.js';
import { compromiseSigningKey } from '../src/service/auth/keys/sql/compromise-signing-key.js';
import { listSigningKeys } from '../src/service/auth/keys/sql/list-signing-keys.js';
import { openToken } from '../src/service/auth/token-cipher.js';
import { Config } from '../src/service/config.js';
import { deriveKeys } from '../src/service/keys.js';
import { Sql } from '../src/service/postgres/sql.js';
import { eventually } from './support/service-process.js';
import { JWKS, later } from './support/signing-keys.js';
import { ok } from './support/tasks.js';
import { MASTER_KEY, startTestService, type TestService } from './support/test-service.js';

type Replica = Pick<TestService, 'root' | 'service'>;

interface Key {
  kid: string;
  alg: string;
  state: string;
}

let test: TestService;
let other: Awaited<ReturnType<TestService['replica']>>;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600 });
  other = await test.replica();
});
afterAll(async () => {
  await other.close();
  await test.close();
});
/** Each test begins with keys that were never touched. */
beforeEach(async () => {
  await test.database.pool.query('truncate signing_key, task_token');
  await ring().onApplicationBootstrap();
  await ring(other).refresh();
});

const ring = ({ service }: Replica = test) => service.app.get(Keyring);
const both = () => [test, other];
const kids = (keys: { kid: string }[]) => keys.map(({ kid }) => kid);
const list = async (at: Replica = test): Promise<Key[]> => (await ok(at.root.get('/auth/v1/keys'))).keys;
const published = async (at: Replica = test): Promise<string[]> => kids((await ok(at.root.as().get(JWKS))).keys);
const inState = async (state: string, alg = 'ES256') => kids((await list()).filter((key) => key.alg === alg && key.state === state));
const rotate = (at: Replica = test, alg = 'ES256'): Promise<Key> => ok(at.root.post(`/auth/v1/keys/${alg}/rotate`));
const compromise = (kid: string, at: Replica = test): Promise<Key> => ok(at.root.post(`/auth/v1/keys/${kid}/compromise`));

/** As if so many seconds had passed, and both had looked since. */
async function pass(seconds: number): Promise<void> {
  await later(test.database.pool, seconds);
  await Promise.all(both().map((at) => ring(at).refresh()));
}

function sign(at: Replica = test, alg?: SigningAlg): Promise<string> {
  const { kid, alg: signed, key } = ring(at).signer(alg);
  return new SignJWT({ sub: 'x' }).setProtectedHeader({ alg: signed, kid }).sign(key);
}

describe('at the first start', () => {
  it('replicas that start at once agree on one key of each algorithm', async () => {
    await test.database.pool.query('truncate signing_key');
    const replicas = await Promise.all([1, 2, 3].map(() => test.replica()));
    const sets = replicas.map((replica) => ring(replica).jwks());
    await Promise.all(replicas.map((replica) => replica.close()));
    expect(sets[0]?.keys.map(({ alg }) => alg)).toEqual(['ES256', 'RS256']);
    for (const set of sets) expect(set).toEqual(sets[0]);
    expect((await test.database.pool.query('select count(*)::integer from signing_key')).rows).toEqual([{ count: 2 }]);
  });

  it('the next start finds them there', async () => {
    const before = await published();
    const next = await test.replica();
    expect(await published(next)).toEqual(before);
    await next.close();
  });

  it('what one signs, the other verifies, and so does who has asked either', async () => {
    for (const alg of ['ES256', 'RS256'] as const) {
      const token = await sign(test, alg);
      const { key } = (await ring(other).findPublicKey(ring().signer(alg).kid))!;
      await jwtVerify(token, key, { algorithms: [alg] });
      await jwtVerify(token, createLocalJWKSet(await ok(other.root.as().get(JWKS))));
    }
    expect(ring().signer().alg).toBe('ES256');
  });
});

describe('a rotation', () => {
  it('publishes the key ten minutes before it signs, and keeps the former one until its last token has ended', async () => {
    const [former] = await inState('active');
    const next = await rotate();
    expect(next).toMatchObject({ alg: 'ES256', state: 'next' });
    await eventually('the other replica publishes it', async () => (await published(other)).includes(next.kid));
    for (const at of both()) expect(ring(at).signer().kid).toBe(former);

    await pass(PUBLISH_LEAD - 60);
    for (const at of both()) expect(ring(at).signer().kid).toBe(former);
    const last = await sign();
    await pass(120);
    for (const at of both()) {
      expect(ring(at).signer().kid).toBe(next.kid);
      await jwtVerify(last, createLocalJWKSet(await ok(at.root.as().get(JWKS))));
    }
    expect([await inState('active'), await inState('retired')]).toEqual([[next.kid], [former]]);

    await pass(longestBelief(test.service.app.get(Config)) - 120);
    await test.service.app.get(KeysService).forget();
    expect(await published()).toContain(former);
    await pass(120);
    await test.service.app.get(KeysService).forget();
    for (const at of both()) {
      await eventually('the former one is published no more', async () => !(await published(at)).includes(former!));
      expect(ring(at).publicKey(former!)).toBeUndefined();
    }
    expect(kids(await list())).toEqual(await published());
  });

  it('of one algorithm leaves the other alone', async () => {
    const [before] = await inState('active', 'RS256');
    await rotate();
    await pass(PUBLISH_LEAD + 1);
    expect(await inState('active', 'RS256')).toEqual([before]);
    expect(ring(other).signer('RS256').kid).toBe(before);
    await rotate(other, 'RS256'); // and may be under way beside it
  });

  it('is one at a time, whoever begins it', async () => {
    const [before] = await inState('active');
    const answers = await Promise.all([...both(), ...both()].map((at) => at.root.post('/auth/v1/keys/ES256/rotate')));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409]);
    const [next] = await inState('next');
    for (const { status, body } of answers.filter((answer) => answer.status === 409)) {
      expect(body).toMatchObject({ code: 'RequestConflict', message: expect.stringContaining(`${next} is published, and signs from`) });
      expect(status).toBe(409);
    }
    expect(await inState('active')).toEqual([before]);
    await pass(PUBLISH_LEAD + 1);
    await rotate(other);
  });

  it('does not delete a key whose tokens were given a longer life than is configured now', async () => {
    const former = ring().signer().kid;
    const insert = `insert into task_token (jti, task_id, run_id, kid, expires) values ('j', 't', 0, $1, now() + interval '7 days')`;
    await test.database.pool.query(insert, [former]);
    await rotate();
    await pass(86_400);
    await test.service.app.get(KeysService).forget();
    expect(await published()).toContain(former);
    await pass(6 * 86_400 + CLOCK_SKEW + 1);
    await test.service.app.get(KeysService).forget();
    expect(await published()).not.toContain(former);
  });

  it('is forgotten by itself, by any replica', async () => {
    const former = ring().signer().kid;
    await rotate();
    await pass(86_400);
    const tidy = await test.replica({ sweepInterval: 0.05 });
    await eventually('the former one is deleted', async () => !kids(await list()).includes(former));
    await tidy.close();
  });

  it('refuses nobody who keeps the keys no longer than he is told, through many of them', async () => {
    const tokens: { token: string; endsIn: number }[] = [];
    let kept = { keys: (await ok(other.root.as().get(JWKS))) as JSONWebKeySet, age: 0 };
    const { claimTimeout, credentialsGrace } = test.service.app.get(Config);
    const STEP = 150;
    for (let step = 0; step < 48; step++) {
      if (step % 8 === 1) await rotate(both()[step % 2]);
      if (kept.age >= JWKS_MAX_AGE) kept = { keys: await ok(both()[(step + 1) % 2]!.root.as().get(JWKS)), age: 0 };
      const fresh = await Promise.all(both().map((at) => sign(at)));
      tokens.push(...fresh.map((token) => ({ token, endsIn: claimTimeout + credentialsGrace })));
      const verify = createLocalJWKSet(kept.keys); // which asks nobody for a key that it does not have
      await Promise.all(tokens.filter(({ endsIn }) => endsIn > 0).map(({ token }) => jwtVerify(token, verify)));
      await pass(STEP);
      await both()[step % 2]!.service.app.get(KeysService).forget();
      kept.age += STEP;
      for (const one of tokens) one.endsIn -= STEP;
    }
    expect(await inState('active')).toHaveLength(1);
    expect(kids(await list()).length).toBeLessThan(6);
  });
});

describe('a key that leaked', () => {
  it('while it signs: is believed no more, and another one signs at once', async () => {
    const leaked = ring().signer().kid;
    const stolen = await sign();
    expect(await compromise(leaked, other)).toMatchObject({ kid: leaked, state: 'compromised' });
    expect(ring(other).publicKey(leaked)).toBeUndefined(); // here at once
    await eventually('and everywhere else', () => ring().publicKey(leaked) === undefined);
    for (const at of both()) {
      expect(await published(at)).not.toContain(leaked);
      expect(await ring(at).findPublicKey(leaked)).toBeUndefined();
      await expect(jwtVerify(stolen, createLocalJWKSet(await ok(at.root.as().get(JWKS))))).rejects.toThrow(/no applicable key/);
      await jwtVerify(await sign(at), createLocalJWKSet(await ok(at.root.as().get(JWKS))));
    }
    expect(ring().signer().kid).toBe(ring(other).signer().kid);
  });

  it('while the next is published: that one signs at once, as verifiers know it already', async () => {
    const leaked = ring().signer().kid;
    const next = await rotate();
    await compromise(leaked);
    expect(await inState('active')).toEqual([next.kid]);
    expect(ring().signer().kid).toBe(next.kid);
    expect((await rotate()).state).toBe('next'); // that rotation is over
  });

  it('before it signs: the one that signs goes on, for good', async () => {
    const signs = ring().signer().kid;
    const next = await rotate();
    await compromise(next.kid);
    await pass(86_400);
    await test.service.app.get(KeysService).forget();
    expect(ring().signer().kid).toBe(signs);
    expect(await inState('active')).toEqual([signs]);
  });

  it('after it signed: only that one goes', async () => {
    const former = ring().signer().kid;
    const next = await rotate();
    await pass(PUBLISH_LEAD + 1);
    await compromise(former);
    expect(await inState('active')).toEqual([next.kid]);
    expect(await published()).not.toContain(former);
  });

  it('is replaced once, however many say so at once, and its secret is gone', async () => {
    const leaked = ring().signer().kid;
    await Promise.all([...both(), ...both()].map((at) => compromise(leaked, at)));
    expect(await inState('active')).toHaveLength(1);
    expect(await list()).toHaveLength(3);
    const { rows } = await test.database.pool.query('select sealed from signing_key where kid = $1', [leaked]);
    expect(rows).toEqual([{ sealed: null }]);
    await expect(test.database.pool.query('update signing_key set compromised = null where kid = $1', [leaked])).rejects.toThrow(/check/);
  });

  it('is a matter for who may, of that key', async () => {
    const [leaked, another] = [ring().signer().kid, ring().signer('RS256').kid];
    const narrow = await test.client(`auth:compromise-key:${another}`, 'auth:rotate-keys:RS256');
    expect((await narrow.post(`/auth/v1/keys/${leaked}/compromise`)).status).toBe(403);
    expect((await narrow.post('/auth/v1/keys/ES256/rotate')).status).toBe(403);
    expect((await narrow.get('/auth/v1/keys')).status).toBe(403);
    expect(await inState('active')).toEqual([leaked]);
    expect((await narrow.post(`/auth/v1/keys/${another}/compromise`)).status).toBe(200);
  });
});

describe('the private half', () => {
  const secretsOf = async (): Promise<string[]> => {
    const rows = (await test.database.pool.query('select kid, sealed from signing_key where sealed is not null')).rows;
    return rows.flatMap(({ kid, sealed }) => {
      const jwk = JSON.parse(openToken(deriveKeys(MASTER_KEY).signing, kid, sealed));
      return ['d', 'p', 'q', 'dp', 'dq', 'qi'].flatMap((name) => (jwk[name] ? [jwk[name] as string] : []));
    });
  };

  it('is nowhere in the database, and in no answer', async () => {
    await rotate();
    const secrets = await secretsOf();
    expect(secrets).toHaveLength(1 + 1 + 6);
    const forms = secrets.flatMap((secret) => [
      secret,
      Buffer.from(secret, 'base64url').toString('hex'),
      Buffer.from(secret).toString('hex'),
    ]);
    const { rows } = await test.database.pool.query('select signing_key::text as row from signing_key');
    const answers = [await list(), await ok(test.root.as().get(JWKS))].map((answer) => JSON.stringify(answer));
    for (const text of [...rows.map(({ row }) => row), ...answers]) for (const form of forms) expect(text).not.toContain(form);
    for (const secret of secrets) expect(JSON.stringify([ring().signer(), ring().jwks()])).not.toContain(secret);
    await expect(crypto.subtle.exportKey('jwk', ring().signer().key as never)).rejects.toThrow();
  });

  const rowsOf = () => test.service.app.get(Sql).query(listSigningKeys);

  it('is opened by its master key alone, and as itself alone', async () => {
    const [ec, rsa] = await rowsOf();
    const keys = deriveKeys(MASTER_KEY);
    expect((await openedKey(keys, ec!)).publicJwk.kid).toBe(ec!.kid);
    for (const [other, row] of [
      [deriveKeys('another-master-key-0123456789abcdefghij'), ec!],
      [keys, { ...ec!, kid: rsa!.kid }],
      [keys, { ...ec!, sealed: rsa!.sealed }],
      [keys, { ...ec!, alg: 'RS256' as const }],
      [keys, { ...ec!, sealed: ec!.sealed!.subarray(1) }],
      [keys, { ...ec!, sealed: null }],
    ] as const) {
      await expect(openedKey(other, row)).rejects.toThrow();
    }
  });

  it('who can write the table can neither publish a key of theirs nor take the others with it', async () => {
    const theirs = (await generateSigningKey('ES256')).publicJwk;
    const { pool } = test.database;
    const good = ring().signer('RS256').kid;
    await pool.query(`update signing_key set public_jwk = $1 where alg = 'RS256'`, [JSON.stringify(theirs)]);
    await pool.query(`update signing_key set kid = $1, public_jwk = $2 where alg = 'ES256'`, [theirs.kid, JSON.stringify(theirs)]);
    const fresh = await test.replica();
    const ringOfIt = ring(fresh);
    expect(kids(ringOfIt.jwks().keys)).toEqual([good]);
    expect(ringOfIt.publicKey(theirs.kid)).toBeUndefined();
    expect(() => ringOfIt.signer()).toThrow(/No key can sign ES256/);
    const [named] = (await list(fresh)).filter(({ alg }) => alg === 'ES256');
    await compromise(named!.kid, fresh);
    expect(ringOfIt.signer().alg).toBe('ES256');
    await fresh.close();
  });
});

it('a key that a replica has not heard of is looked for, and one that is none is not found', async () => {
  const key = await generateSigningKey('RS256');
  const [kid, ...rest] = sealedKey(deriveKeys(MASTER_KEY), key);
  const insert = `insert into signing_key (kid, alg, public_jwk, sealed, active_from, retired_at, delete_after)
                  values ($1, $2, $3, $4, now(), now(), now() + interval '1 hour')`;
  await test.database.pool.query(insert, [kid, ...rest]); // nobody is told
  expect(ring().publicKey(kid)).toBeUndefined();
  expect(await ring().findPublicKey(kid)).toMatchObject({ alg: 'RS256' });
  const strangers = await Promise.all(Array.from({ length: 50 }, (_, n) => ring().findPublicKey(`no-key-${n}`)));
  expect(new Set(strangers)).toEqual(new Set([undefined]));
});

describe('a replica that no longer hears of the database', () => {
  let deaf: Awaited<ReturnType<TestService['replica']>>;
  let leaked: string;
  /** It polls no more, and nobody tells it that a key leaked. */
  beforeEach(async () => {
    deaf = await test.replica();
    ring(deaf).onModuleDestroy();
    await ring(deaf).refresh();
    leaked = ring(deaf).signer().kid;
    await test.service.app.get(Sql).query(compromiseSigningKey, [leaked, 3_600]);
  });
  afterEach(() => deaf.close());

  /** As if so many seconds had passed by the clock that nobody sets. */
  async function after<T>(seconds: number, work: () => Promise<T>): Promise<T> {
    const now = performance.now.bind(performance);
    performance.now = () => now() + seconds * 1_000;
    try {
      return await work();
    } finally {
      Reflect.deleteProperty(performance, 'now');
    }
  }

  it('believes its copy of the keys for five seconds, then asks', async () => {
    expect(await ring(deaf).findPublicKey(leaked)).toBeDefined();
    await after(6, async () => expect(await ring(deaf).findPublicKey(leaked)).toBeUndefined());
  });

  it('tells keys on while tokens of them are alive, for caches to forget soon, and then no more', async () => {
    const answer = async () => {
      const { status, headers, body } = await deaf.root.as().get(JWKS);
      return [status, headers['cache-control'], status === 200 && kids(body.keys).includes(leaked)];
    };
    const belief = longestBelief(test.service.app.get(Config));
    expect(await answer()).toEqual([200, 'public, max-age=300', true]);
    expect(await after(40, answer)).toEqual([200, 'public, max-age=30', true]);
    expect(await after(belief - 60, answer)).toEqual([200, 'public, max-age=30', true]);
    expect(await after(belief + 1, answer)).toEqual([503, undefined, false]);
    await ring(deaf).refresh();
    expect(await answer()).toEqual([200, 'public, max-age=300', false]);
  });
});

it('jose finds the keys, and a new one when it meets it', async () => {
  const remote = createRemoteJWKSet(new URL(JWKS, other.root.url), { cooldownDuration: 0 });
  await jwtVerify(await sign(), remote);
  const leaked = ring().signer().kid;
  const stolen = await sign();
  await compromise(leaked, other);
  await ring().refresh();
  await jwtVerify(await sign(), remote); // which asks anew, for the kid
  await expect(jwtVerify(stolen, remote)).rejects.toThrow(/no applicable key/);
});
