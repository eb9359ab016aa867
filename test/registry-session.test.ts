import { inspect } from 'node:util';
import type { Credential } from '../src/registry-tokens/registry-settings.js';
import type { RegistrySession } from '../src/registry-tokens/session.js';
import type { SessionEvent } from '../src/registry-tokens/session-event.js';
import {
  BASIC,
  closeAll,
  compliant,
  header,
  manifest,
  open,
  refusals,
  scopesAsked,
  session,
  statuses,
  world,
} from './support/registry-world.js';
import { challenged, send, wanted } from './support/token-registry.js';

/* Sessions against servers of HTTP: a registry with its token server, as the specification has them. */

afterEach(closeAll);

describe('sessions', () => {
  it('1, 2, 5: two that want the same at once have a token each, by their own credentials', async () => {
    const { registry, server, tokens, settings } = await world();
    const of = (name: string) => session({ ...settings, credentials: [{ prefix: '', credential: BASIC(name) }] }, { id: name });
    const [a, b] = [of('a'), of('b')];
    const url = `${registry.origin}${manifest('team/app')}`;
    for (const method of ['GET', 'PUT']) {
      const [ofA, ofB] = await Promise.all([send(a, url, method), send(b, url, method)]);
      expect(ofA.status + ofB.status).toBe(400);
      expect(tokens.made.get(ofA.sent.at(-1)?.slice(7) ?? '')?.by).toBe(header('a'));
      expect(tokens.made.get(ofB.sent.at(-1)?.slice(7) ?? '')?.by).toBe(header('b'));
    }
    expect(server.received).toHaveLength(4);
  });

  it('3, 4: one without a credential is refused, before and after one that has it', async () => {
    const { registry, settings } = await world({
      grant: ({ authorization }) => (authorization === header('a') ? undefined : { status: 401 }),
    });
    const url = `${registry.origin}${manifest('team/app')}`;
    const b = session(settings);
    const explained = expect.stringMatching(/refuses a token for repository:team\/app:pull to anybody/);
    expect(await send(b, url)).toEqual({ status: 401, sent: [undefined], explained });
    const a = session({ ...settings, credentials: [{ prefix: '', credential: BASIC('a') }] });
    expect((await send(a, url)).status).toBe(200);
    await expect(send(b, url)).rejects.toMatchObject({ code: 'token-refused' });
  });

  it('6: what one credential got is not used for the next one', async () => {
    const { registry, server, settings } = await world();
    let current = 'Hawk first';
    const credential: Credential = {
      kind: 'signed',
      realm: `${server.origin}/token`,
      authorization: (method, url) => `${current} ${method} ${new URL(url).searchParams.get('scope')}`,
      fingerprint: () => current,
    };
    const one = session({ ...settings, credentials: [{ prefix: '', credential }] });
    const url = `${registry.origin}${manifest('team/app')}`;
    const before = [await send(one, url), await send(one, url)];
    current = 'Hawk second';
    const after = await send(one, url);
    expect(statuses([...before, after])).toEqual([200, 200, 200]);
    expect(before.map(({ sent }) => sent)).toEqual([[undefined, expect.stringMatching(/^Bearer /)], [before[0]?.sent[1]]]);
    expect(after.sent).toEqual([expect.stringMatching(/^Bearer /)]);
    expect(after.sent).not.toEqual(before[1]?.sent);
    const asked = ['first', 'second'].map((name) => `Hawk ${name} GET repository:team/app:pull`);
    expect(server.received.map(({ authorization }) => authorization)).toEqual(asked);
  });

  it('a signature for one realm is made for no other', async () => {
    const { registry, server, settings } = await world();
    const signed: string[] = [];
    const credential: Credential = {
      kind: 'signed',
      realm: `${server.origin}/other`,
      authorization: (_, url) => {
        signed.push(url);
        return 'Hawk';
      },
      fingerprint: () => 'one',
    };
    const one = session({ ...settings, credentials: [{ prefix: '', credential }] });
    const first = await send(one, `${registry.origin}${manifest('a')}`);
    expect(first).toMatchObject({
      status: 401,
      sent: [undefined],
      explained: expect.stringContaining(`${server.origin}/other, and not at`),
    });
    await expect(send(one, `${registry.origin}${manifest('a')}`)).rejects.toMatchObject({ code: 'realm-not-trusted' });
    expect([signed, server.received]).toEqual([[], []]);
  });

  it('7, 8: repositories with a credential of their own, and those without, do not share tokens', async () => {
    const { registry, server, settings } = await world();
    const credentials = ['team-a', 'team-a/inner'].map((prefix) => ({ prefix, credential: BASIC(prefix) }));
    const one = session({ ...settings, credentials });
    for (const repository of ['team-a/app', 'team-a/inner/app', 'team-a-b/app', 'public'])
      expect((await send(one, `${registry.origin}${manifest(repository)}`)).status).toBe(200);
    const by = server.received.map(({ authorization }) => authorization);
    expect(by).toEqual([header('team-a'), header('team-a/inner'), undefined, undefined]);
  });

  it('9, 10: a token goes to its own repository and its own action only, unless reads are widened', async () => {
    const { registry, server, tokens, settings } = await world();
    const all = async (one: RegistrySession) => {
      for (const repository of ['a', 'b'])
        for (const method of ['PUT', 'GET', 'HEAD'])
          expect((await send(one, `${registry.origin}${manifest(repository)}`, method)).status).toBe(200);
    };
    await all(session(settings));
    for (const received of registry.received.filter(({ authorization }) => authorization)) {
      const { repository, actions } = wanted(received);
      const of = tokens.made.get(received.authorization?.slice(7) ?? '');
      expect(of?.scopes).toEqual([`repository:${repository}:${actions.join()}`]);
    }
    expect(server.received).toHaveLength(4);
    await all(session({ ...settings, widen: true }));
    expect(scopesAsked(server).slice(4)).toEqual([['repository:a:pull,push'], ['repository:b:pull,push']]);
  });

  it('14, 62: of one registry nothing is asked at, or told to, the realm of another', async () => {
    const [x, y] = [await world(), await world()];
    const one = session([x.settings, { ...y.settings, realm: `${x.server.origin}/token`, trustedRealms: [] }]);
    expect((await send(one, `${x.registry.origin}${manifest('of-x')}`)).status).toBe(200);
    const foreign = await open((received) => compliant(received, `Bearer realm="${x.server.origin}/token"`, x.tokens));
    const other = session([x.settings, { origin: foreign.origin }]);
    const both = expect.stringMatching(new RegExp(`${foreign.origin}.*${x.server.origin}`));
    const ofY = `${foreign.origin}${manifest('of-y')}`;
    expect(await send(other, ofY)).toEqual({ status: 401, sent: [undefined], explained: both });
    await expect(send(other, ofY, 'PUT')).rejects.toMatchObject({ code: 'realm-not-trusted', message: both });
    expect(scopesAsked(x.server)).toEqual([['repository:of-x:pull']]);
  });

  it('11: after its release it holds nothing, begins nothing, and what was under way is broken off', async () => {
    let arrived: () => void = () => undefined;
    const underWay = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const { registry, server, settings } = await world({
      grant: async ({ target }) => {
        if (!target.includes('slow')) return undefined;
        arrived();
        await held;
        return undefined;
      },
    });
    const one = session(settings);
    const request = { origin: registry.origin, method: 'GET', target: manifest('quick') };
    await send(one, `${registry.origin}${manifest('quick')}`);
    const attempt = await one.begin(request);
    expect([one.size, attempt.authorization]).toEqual([1, expect.stringMatching(/^Bearer /)]);
    const slow = one.begin({ ...request, target: manifest('slow') });
    const refused = expect(slow).rejects.toMatchObject({ code: 'released' });
    await underWay;
    one.release();
    await refused;
    letGo();
    await expect(one.begin(request)).rejects.toMatchObject({ code: 'released' });
    const asked = server.received.length;
    const challenge = `Bearer realm="${server.origin}/token",service="registry.test",scope="repository:quick:pull",error="invalid_token"`;
    expect(await attempt.answered(401, [challenge])).toBeUndefined();
    expect(attempt.explained).toMatch(/over/);
    expect([one.size, server.received.length]).toEqual([0, asked]);
  });

  it('74: nothing that is told, thrown or printed has a secret in it', async () => {
    const events: SessionEvent[] = [];
    const texts: string[] = [];
    const evil = 'Bearer realm="http://canary-token-1.example/",service="registry.test"';
    const { registry, settings } = await world({
      grant: ({ target, authorization, body }) =>
        `${target} ${body}`.includes('broken') ? { status: 200, body: `{"token": "canary-token-x" ${authorization} ${body}` } : undefined,
      answer: ({ authorization, target }) => (authorization && target.includes('echo') ? challenged(evil) : undefined),
    });
    const credentials = [
      { prefix: '', credential: BASIC('a') },
      { prefix: 'broken/refresh', credential: { kind: 'refresh', token: 'canary-refresh' } as const },
    ];
    const one = session({ ...settings, credentials }, { onEvent: (event) => events.push(event) });
    for (const repository of ['echo', 'broken', 'broken/refresh', 'fine']) {
      const { origin } = registry;
      const outcome = await send(one, `${origin}${manifest(repository)}`).catch((error: Error) => {
        texts.push(inspect(error, { depth: 9 }));
        return undefined;
      });
      texts.push(outcome?.explained ?? '');
    }
    texts.push(inspect(one, { depth: 9, showHidden: true }));
    texts.push(inspect(await one.begin({ origin: registry.origin, method: 'GET', target: manifest('fine') }), { depth: 9 }));
    texts.push(JSON.stringify(events));
    expect(events.map(({ kind }) => kind)).toEqual(['challenged', 'asked', 'refused', 'refused', 'refused', 'asked']);
    expect(texts.join('\n')).toMatch(/broken/);
    expect(texts.join('\n')).not.toMatch(/canary|Y2FuYXJ5/i);
  });

  it('a registry that is not configured is not asked', async () => {
    const { settings } = await world();
    await expect(send(session(settings), 'http://127.0.0.1:1/v2/a/tags/list')).rejects.toMatchObject({ code: 'unknown-registry' });
  });
});

describe('registries by the specification', () => {
  it('49: 32 at once: one of them asks what is wanted, and one token is asked for', async () => {
    const { registry, server, settings } = await world();
    const one = session(settings);
    const outcomes = await Promise.all(Array.from({ length: 32 }, () => send(one, `${registry.origin}${manifest('app')}`)));
    expect(statuses(outcomes)).toEqual(Array(32).fill(200));
    expect([refusals(registry), scopesAsked(server)]).toEqual([1, [['repository:app:pull']]]);
    expect([registry.received.length, registry.of('/v2/app/').length]).toEqual([33, 33]); // and nothing at /v2/
  });

  it('49: 32 at once for repositories of their own: one of them is refused, and each has one token', async () => {
    const { registry, server, settings } = await world();
    const one = session(settings);
    const names = Array.from({ length: 32 }, (_, at) => `app-${at}`);
    const outcomes = await Promise.all(names.map((name) => send(one, `${registry.origin}${manifest(name)}`)));
    expect(statuses(outcomes)).toEqual(Array(32).fill(200));
    expect([refusals(registry), registry.received.length]).toEqual([1, 33]);
    expect(scopesAsked(server).flat().sort()).toEqual(names.map((name) => `repository:${name}:pull`).sort());
  });

  it('25, 43, 49: 32 at once that cannot be sent twice: one question at /v2/, whose scope is an example, and one token', async () => {
    const { registry, server, settings } = await world();
    const one = session(settings);
    const outcomes = await Promise.all(Array.from({ length: 32 }, () => send(one, `${registry.origin}${manifest('app')}`, 'PUT')));
    expect(outcomes.map(({ status, sent }) => [status, sent.length])).toEqual(Array(32).fill([200, 1]));
    expect([refusals(registry), scopesAsked(server)]).toEqual([1, [['repository:app:pull,push']]]);
    expect([registry.received[0]?.target, registry.of('/v2/app/').length]).toEqual(['/v2/', 32]);
  });

  it.each([
    ['GET', 'PUT'],
    ['PUT', 'GET'],
  ])('43, 49: 16 times %s and %s at once: one question, and a token for each of the two', async (...methods) => {
    const { registry, server, settings } = await world();
    const one = session(settings);
    const outcomes = await Promise.all(
      Array.from({ length: 32 }, (_, at) => send(one, `${registry.origin}${manifest('app')}`, methods[at % 2])),
    );
    expect(statuses(outcomes)).toEqual(Array(32).fill(200));
    expect([refusals(registry), registry.received.length, server.received.length]).toEqual([1, 33, 2]);
    expect(
      registry.received.filter(({ method, authorization, target }) => method === 'PUT' && !authorization && target !== '/v2/'),
    ).toEqual([]);
  });

  it('where /v2/ does not answer, that is found out once for all who wait, and then the request itself asks', async () => {
    const { registry, server, settings } = await world({ answer: ({ target }) => (target === '/v2/' ? { status: 503 } : undefined) });
    const one = session(settings);
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => send(one, `${registry.origin}${manifest('app')}`, 'PUT')));
    expect(statuses(outcomes)).toEqual(Array(8).fill(200));
    expect([registry.received.length, registry.of('/v2/app/').length, server.received.length]).toEqual([10, 9, 1]);
  });

  it('what can be sent twice is what only reads, unless the request says otherwise', async () => {
    const { registry, settings } = await world();
    const first = async (method: string, isRepeatable?: boolean) => {
      await send(session(settings), `${registry.origin}${manifest('app')}`, method, undefined, isRepeatable);
      return registry.received.splice(0)[0]?.target;
    };
    for (const method of ['GET', 'HEAD']) expect(await first(method)).toBe(manifest('app'));
    expect([await first('GET', false), await first('POST', true)]).toEqual(['/v2/', manifest('app')]);
    for (const method of ['PUT', 'POST', 'PATCH', 'DELETE']) expect(await first(method)).toBe('/v2/');
  });

  it('with a realm that is configured nothing is refused at all', async () => {
    const { registry, server, settings } = await world();
    const one = session({ ...settings, realm: `${server.origin}/token`, service: 'registry.test' });
    expect((await send(one, `${registry.origin}${manifest('app')}`, 'PUT')).sent).toHaveLength(1);
    expect([refusals(registry), server.received.length]).toEqual([0, 1]);
  });

  it('50: 32 at once whose token is revoked: one token more', async () => {
    const { registry, server, tokens, settings } = await world();
    const one = session(settings);
    const url = `${registry.origin}${manifest('app')}`;
    await send(one, url);
    tokens.revokeAll();
    const again = await Promise.all(Array.from({ length: 32 }, () => send(one, url)));
    expect(statuses(again)).toEqual(Array(32).fill(200));
    expect(server.received).toHaveLength(2);
  });

  it('42: what a mount takes is one token, of its own', async () => {
    const { registry, server, settings } = await world();
    const one = session(settings);
    const mount = '/v2/app/blobs/uploads/?mount=sha256:aa&from=base';
    expect((await send(one, `${registry.origin}${mount}`, 'POST')).status).toBe(200);
    expect((await send(one, `${registry.origin}/v2/app/blobs/uploads/`, 'POST')).status).toBe(200);
    expect(scopesAsked(server)).toEqual([['repository:app:pull,push', 'repository:base:pull'], ['repository:app:pull,push']]);
  });

  it('26, 27: a token that lacks something is refused by the registry, once, and it is said what is missing', async () => {
    const { registry, server, settings } = await world({ grant: (received, made) => made.reply({ ...received, target: '/token' }) });
    const one = session(settings);
    for (let times = 0; times < 2; times++) {
      const outcome = await send(one, `${registry.origin}${manifest('app')}`, 'PUT');
      expect([outcome.status, outcome.sent.length]).toEqual([401, 1]);
      expect(outcome.explained).toMatch(/refuses app although a token for repository:app:pull,push was sent/);
    }
    expect(server.received).toHaveLength(1);
  });

  it('59: a token that is invalid is dropped, and no other', async () => {
    const bad = new Set<string>();
    const { registry, server, settings } = await world({
      answer: ({ authorization, target }, realm) =>
        authorization && bad.has(authorization)
          ? challenged(`${realm},scope="repository:${target.split('/')[2]}:pull",error="invalid_token"`)
          : undefined,
    });
    const one = session(settings);
    const urls = ['a', 'b'].map((name) => `${registry.origin}${manifest(name)}`);
    const [first] = [await send(one, urls[0] ?? ''), await send(one, urls[1] ?? '')];
    bad.add(first.sent.at(-1) ?? '');
    const again = [await send(one, urls[0] ?? ''), await send(one, urls[1] ?? '')];
    expect(again.map(({ status, sent }) => [status, sent.length])).toEqual([
      [200, 2],
      [200, 1],
    ]);
    expect(server.received).toHaveLength(3);
  });
});
