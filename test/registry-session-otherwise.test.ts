import type { Credential } from '../src/registry-tokens/registry-settings.js';
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
  type Ways,
  world,
} from './support/registry-world.js';
import { challenged, json, type Loopback, send } from './support/token-registry.js';

/* Sessions and registries that have it otherwise than the specification. */

afterEach(closeAll);

/** Serves `foo/x` of what is `x` for itself, and for whoever makes its tokens. */
const GATEWAY: Ways = {
  answer: (received, realm, tokens) => compliant({ ...received, target: received.target.replace('/v2/foo/', '/v2/') }, realm, tokens),
};
const many = <T>(work: () => Promise<T>, times = 32) => Promise.all(Array.from({ length: times }, work));
const closed = async (loopback: Loopback) => loopback[Symbol.asyncDispose]();

describe('gateways', () => {
  it('19, 49: one that calls repositories otherwise refuses once for each key, however many ask at once', async () => {
    const { registry, server, settings } = await world(GATEWAY);
    let now = 0;
    const one = session(settings, { now: () => now });
    const of = (name: string) => `${registry.origin}${manifest(name)}`;
    expect(statuses(await many(() => send(one, of('foo/a'))))).toEqual(Array(32).fill(200));
    const refused = () => registry.of('/v2/foo/').filter(({ authorization }) => !authorization).length;
    expect([registry.of('/v2/foo/a/').length, refused()]).toEqual([33, 1]);
    expect(statuses(await many(() => send(one, of('foo/b'))))).toEqual(Array(32).fill(200));
    expect([registry.of('/v2/foo/b/').length, refused()]).toEqual([33, 2]);
    expect(scopesAsked(server).flat()).toEqual(['repository:a:pull', 'repository:b:pull']); // a token for each, and none for foo/a
    now = 400_000; // what was learned is not lost with the token
    expect(statuses(await many(() => send(one, of('foo/b'))))).toEqual(Array(32).fill(200));
    expect([registry.of('/v2/foo/b/').length, server.received.length]).toEqual([65, 3]);
    expect(registry.of('/v2/foo/')).toHaveLength(registry.received.length);
  });

  it('19, 49: 32 at once for four repositories of such a one: each is refused once, and has one token', async () => {
    const { registry, server, settings } = await world(GATEWAY);
    const one = session(settings);
    const names = ['a', 'b', 'c', 'd'];
    const urls = Array.from({ length: 32 }, (_, at) => `${registry.origin}${manifest(`foo/${names[at % 4]}`)}`);
    const outcomes = await Promise.all(urls.map((url) => send(one, url)));
    expect(statuses(outcomes)).toEqual(Array(32).fill(200));
    for (const name of names) expect(refusals(registry, `/v2/foo/${name}/`)).toBe(1);
    expect(registry.received).toHaveLength(36);
    expect(scopesAsked(server).flat().sort()).toEqual(names.map((name) => `repository:${name}:pull`));
  });

  it('19: one that is busy when a repository is asked for refuses once, too', async () => {
    let busy = 2;
    const { registry, server, settings } = await world({
      answer: (received, ...rest) => (busy-- > 0 ? { status: 503 } : GATEWAY.answer?.(received, ...rest)),
    });
    const one = session(settings);
    for (const name of ['foo/a', 'foo/b']) {
      busy = 2;
      const outcomes = await many(() => send(one, `${registry.origin}${manifest(name)}`));
      expect(statuses(outcomes).sort()).toEqual([...Array(30).fill(200), 503, 503]);
    }
    expect([registry.received.length, scopesAsked(server).flat()]).toEqual([66, ['repository:a:pull', 'repository:b:pull']]);
  });

  it('19: with its rewrites configured it refuses nothing', async () => {
    const { registry, server, settings } = await world(GATEWAY);
    const rewrites = [{ requested: 'foo', challenged: '' }];
    const one = session({ ...settings, rewrites, realm: `${server.origin}/token`, service: 'registry.test' });
    expect(statuses(await many(() => send(one, `${registry.origin}${manifest('foo/a')}`)))).toEqual(Array(32).fill(200));
    expect([registry.received.length, scopesAsked(server)]).toEqual([32, [['repository:a:pull']]]);
  });

  it('20, 21: one that wants more than it needs is asked for that once, and the token is for pulls alone', async () => {
    const { registry, server, settings } = await world({
      answer: ({ target, authorization, method }, realm, tokens) => {
        if (target === '/v2/' || method !== 'GET' || tokens.problem(authorization, 'app', ['pull', 'push']) === undefined) return undefined;
        return challenged(`${realm},scope="repository:app:pull,push"`);
      },
    });
    const one = session(settings);
    const url = `${registry.origin}${manifest('app')}`;
    expect(statuses(await many(() => send(one, url)))).toEqual(Array(32).fill(200));
    expect([refusals(registry), registry.received.length]).toEqual([1, 33]);
    const [pull, push] = [await send(one, url), await send(one, url, 'PUT')];
    expect([pull.sent.length, push.sent.length]).toEqual([1, 1]);
    expect(pull.sent).not.toEqual(push.sent);
    expect(scopesAsked(server).flat()).toEqual(['repository:app:pull,push', 'repository:app:pull,push']);
  });

  it('20, 49: one that names more than it needs refuses one of 32 for repositories of their own', async () => {
    const { registry, server, settings } = await world({
      answer: (received, realm, tokens) => {
        const [, , name = ''] = received.target.split('/');
        return received.authorization ? compliant(received, realm, tokens) : challenged(`${realm},scope="repository:${name}:pull,push"`);
      },
    });
    const one = session(settings);
    const urls = Array.from({ length: 32 }, (_, at) => `${registry.origin}${manifest(`app-${at}`)}`);
    expect(statuses(await Promise.all(urls.map((url) => send(one, url))))).toEqual(Array(32).fill(200));
    expect([refusals(registry), registry.received.length, server.received.length]).toEqual([1, 33, 32]);
  });

  it('75b: a challenge for another repository is answered by nobody, and that is told', async () => {
    const events: SessionEvent[] = [];
    const { registry, server, settings } = await world({
      answer: ({ target }, realm) =>
        target.startsWith('/v2/team-b/') ? challenged(`${realm},scope="repository:team-a/app:pull"`) : undefined,
    });
    const one = session(settings, { onEvent: (event) => events.push(event) });
    const outcome = await send(one, `${registry.origin}${manifest('team-b/app')}`);
    expect([outcome.status, outcome.sent.length]).toEqual([401, 1]);
    expect(outcome.explained).toMatch(/asks for a token for repository:team-a\/app:pull where team-b\/app needs/);
    expect(server.received).toEqual([]);
    expect(events.at(-1)).toEqual({
      kind: 'refused',
      id: 'run',
      origin: registry.origin,
      scopes: ['repository:team-b/app:pull'],
      why: outcome.explained,
    });
    const others = await many(() => send(one, `${registry.origin}${manifest('team-a/app')}`));
    expect([statuses(others), refusals(registry, '/v2/team-a/')]).toEqual([Array(32).fill(200), 1]);
    expect(scopesAsked(server).flat()).toEqual(['repository:team-a/app:pull']);
  });

  it('75b: who answers first for another repository settles no service for the others', async () => {
    const { registry, server, settings } = await world({
      answer: ({ target }) =>
        target.startsWith('/v2/team-b/')
          ? challenged(`Bearer realm="${server.origin}/token",service="other.test",scope="repository:team-a/app:pull"`)
          : undefined,
    });
    const one = session(settings);
    expect((await send(one, `${registry.origin}${manifest('team-b/app')}`)).status).toBe(401);
    expect((await send(one, `${registry.origin}${manifest('team-a/app')}`)).status).toBe(200);
    expect(server.received.map(({ target }) => target)).toEqual([expect.stringContaining('service=registry.test')]);
  });

  it('a challenge for another service than before is answered by nobody', async () => {
    const { registry, server, settings } = await world({
      answer: ({ target }) =>
        target === '/v2/'
          ? undefined
          : challenged(`Bearer realm="${server.origin}/token",service="other.test",scope="repository:app:pull"`),
    });
    const [asked, configured] = [session(settings), session({ ...settings, service: 'registry.test' })];
    const explained = expect.stringMatching(/names another service than "registry.test"/);
    const url = `${registry.origin}${manifest('app')}`;
    expect(await send(asked, url, 'PUT')).toMatchObject({ status: 401, explained });
    expect(await send(configured, url)).toEqual({ status: 401, sent: [undefined], explained });
    expect(server.received.map(({ target }) => target)).not.toContainEqual(expect.stringContaining('other'));
  });

  it('22, 66: another realm than before is not asked', async () => {
    const trap = await open(() => json({ token: 'trap' }));
    const { registry, settings } = await world({
      answer: ({ target }) =>
        target === '/v2/' ? undefined : challenged(`Bearer realm="${trap.origin}/token",scope="repository:app:pull"`),
    });
    const credentials = [{ prefix: '', credential: BASIC('a') }];
    for (const method of ['GET', 'PUT']) {
      const outcome = await send(session({ ...settings, credentials }), `${registry.origin}${manifest('app')}`, method);
      expect([outcome.status, outcome.explained]).toEqual([401, expect.stringContaining(trap.origin)]);
    }
    expect(trap.received).toEqual([]);
  });

  it('30: 403 that says what is missing is like 401, and without that it is final', async () => {
    const { registry, settings } = await world({
      answer: ({ target, authorization }, realm, tokens) => {
        if (target.includes('forbidden')) return { status: 403 };
        if (target === '/v2/' || tokens.problem(authorization, 'app', ['push']) === undefined) return undefined;
        return { ...challenged(`${realm},scope="repository:app:push",error="insufficient_scope"`), status: 403 };
      },
    });
    const one = session(settings);
    const [again, final] = [
      await send(one, `${registry.origin}${manifest('app')}`),
      await send(one, `${registry.origin}${manifest('forbidden')}`),
    ];
    expect([again.status, again.sent.length]).toEqual([200, 2]);
    expect([final.status, final.sent.length, final.explained]).toEqual([403, 1, expect.stringMatching(/forbids forbidden/)]);
  });

  it('28: a token server that refuses all because of one action is asked once for less', async () => {
    const { registry, server, settings } = await world({ grant: ({ target }) => (target.includes('push') ? { status: 403 } : undefined) });
    const one = session({ ...settings, widen: true });
    expect((await send(one, `${registry.origin}${manifest('app')}`)).status).toBe(200);
    expect(scopesAsked(server).flat()).toEqual(['repository:app:pull,push', 'repository:app:pull']);
    await expect(send(one, `${registry.origin}${manifest('other')}`, 'DELETE')).resolves.toMatchObject({ status: 200 });
  });
});

describe('schemes', () => {
  const credentials = [{ prefix: '', credential: BASIC('a') }];

  it('31: where a registry wants a password at first, it has it from then on, and no token is asked for', async () => {
    const registry = await open(({ authorization }) => (authorization === header('a') ? { status: 200 } : challenged('Basic realm="x"')));
    const one = session({ origin: registry.origin, credentials });
    const outcomes = await many(() => send(one, `${registry.origin}${manifest('app')}`));
    expect(outcomes.map(({ status, sent }) => [status, sent.at(-1)])).toEqual(Array(32).fill([200, header('a')]));
    expect(outcomes.map(({ sent }) => sent.length).sort()).toEqual([...Array(31).fill(1), 2]);
    expect([refusals(registry), registry.of('/v2/app/').length]).toEqual([2, 33]); // at /v2/ it has said so, too
    expect((await send(one, `${registry.origin}${manifest('b')}`, 'PUT')).sent).toEqual([header('a')]);
    const other = session({ origin: registry.origin });
    expect(await send(other, `${registry.origin}${manifest('app')}`)).toMatchObject({
      status: 401,
      explained: expect.stringMatching(/none are configured/),
    });
  });

  it('33: a registry that asks nobody who is there is told nothing', async () => {
    const registry = await open(() => ({ status: 200 }));
    const one = session({ origin: registry.origin, credentials });
    await many(() => send(one, `${registry.origin}${manifest('app')}`), 8);
    expect(registry.received.filter(({ authorization }) => authorization)).toEqual([]);
    expect(registry.received).toHaveLength(8);
    expect(statuses(await many(() => send(one, `${registry.origin}${manifest('app')}`, 'PUT'), 8))).toEqual(Array(8).fill(200));
    expect(registry.received.filter(({ authorization }) => authorization)).toEqual([]);
    expect([registry.of('/v2/').length, registry.of('/v2/app/').length]).toEqual([17, 16]); // one question, for what cannot be sent twice
  });

  it('33, 49: until it does, and then 32 at once are refused once', async () => {
    const { registry, server, settings } = await world({ answer: ({ target }) => (target === '/v2/' ? { status: 200 } : undefined) });
    const one = session({ ...settings, credentials });
    expect(statuses(await many(() => send(one, `${registry.origin}${manifest('app')}`)))).toEqual(Array(32).fill(200));
    expect([refusals(registry), server.received.length, server.received[0]?.authorization]).toEqual([1, 1, header('a')]);
    expect(statuses(await many(() => send(one, `${registry.origin}${manifest('b')}`, 'PUT')))).toEqual(Array(32).fill(200));
    expect([registry.of('/v2/b/').length, server.received.length]).toEqual([32, 2]);
  });

  it('29: a password that one repository of a gateway asks for first is not sent, if the registry asks for tokens', async () => {
    const { registry, server, settings } = await world({
      answer: ({ target, authorization }) =>
        target.startsWith('/v2/team-b/') && !authorization?.startsWith('Bearer') ? challenged('Basic realm="team-b"') : undefined,
    });
    const one = session({ ...settings, credentials });
    const outcome = await send(one, `${registry.origin}${manifest('team-b/app')}`);
    expect(outcome).toMatchObject({ status: 200, sent: [undefined, expect.stringMatching(/^Bearer /)] });
    expect(registry.received.filter(({ authorization }) => authorization?.startsWith('Basic'))).toEqual([]);
    expect(server.received).toHaveLength(1);
  });

  it('33: a registry that serves some to everybody, and hides the rest, is asked once what it wants', async () => {
    const hide = { status: 404 };
    const { registry, server, settings } = await world({
      answer: ({ target, authorization, method }) => {
        if (target.startsWith('/v2/public/') && method === 'GET') return { status: 200 };
        return target === '/v2/' || authorization ? undefined : hide;
      },
    });
    const one = session({ ...settings, credentials });
    const get = (name: string, method?: string) => send(one, `${registry.origin}${manifest(name)}`, method);
    expect((await get('public')).sent).toEqual([undefined]);
    expect(statuses(await many(() => get('hidden')))).toEqual(Array(32).fill(200));
    expect([registry.of('/v2/hidden/').length, scopesAsked(server).flat()]).toEqual([33, ['repository:hidden:pull']]);
    expect((await get('public', 'PUT')).sent).toEqual([expect.stringMatching(/^Bearer /)]);
    expect((await get('public')).sent).toEqual([undefined]);
    expect(registry.received.filter(({ target }) => target === '/v2/')).toHaveLength(1);
  });

  it.each([403, 404])('what a registry hides (%d) is asked for with a credential that is configured, and only then', async (status) => {
    const { registry, server, settings } = await world({
      answer: ({ target, authorization }) => (target === '/v2/' || authorization ? undefined : { status }),
    });
    const url = `${registry.origin}${manifest('app')}`;
    expect(await send(session(settings), url)).toMatchObject({ status, sent: [undefined] });
    expect([registry.received.length, server.received.length]).toEqual([1, 0]);
    const outcome = await send(session({ ...settings, credentials }), url);
    expect(outcome).toMatchObject({ status: 200, sent: [undefined, expect.stringMatching(/^Bearer /)] });
    const one = session({ ...settings, credentials });
    registry.received.splice(0);
    expect(statuses(await many(() => send(one, url)))).toEqual(Array(32).fill(200));
    expect([registry.of('/v2/app/').length, registry.received.length, server.received.length]).toEqual([33, 34, 2]);
    expect(server.received.map(({ authorization }) => authorization)).toEqual([header('a'), header('a')]);
  });

  it('what is not there, at a registry that wants nothing, is not there', async () => {
    const registry = await open(({ target }) => ({ status: target === '/v2/' ? 200 : 404 }));
    const one = session({ origin: registry.origin, credentials });
    const outcomes = await many(() => send(one, `${registry.origin}${manifest('app')}`), 8);
    expect(outcomes).toEqual(Array(8).fill({ status: 404, sent: [undefined], explained: undefined }));
    expect([registry.received.length, registry.received.filter(({ authorization }) => authorization)]).toEqual([9, []]);
  });

  it('what is hidden while /v2/ does not answer is not taken for what is not there', async () => {
    let isDown = true;
    const { registry, settings } = await world({
      answer: ({ target, authorization }) => {
        if (target === '/v2/') return isDown ? { status: 503 } : undefined;
        return authorization ? undefined : { status: 404 };
      },
    });
    const one = session({ ...settings, credentials });
    const url = `${registry.origin}${manifest('app')}`;
    expect(await send(one, url)).toMatchObject({ status: 404, sent: [undefined] });
    isDown = false;
    expect(await send(one, url)).toMatchObject({ status: 200, sent: [undefined, expect.stringMatching(/^Bearer /)] });
  });

  it('29: `Basic` to a token is answered by nothing, and never by the password', async () => {
    const { registry, settings } = await world({
      answer: ({ target, authorization }, realm, tokens) => {
        if (target === '/v2/' || tokens.problem(authorization, 'app', ['pull', 'push']) === undefined) return undefined;
        return challenged(authorization ? 'Basic realm="harbor"' : `${realm},scope="repository:app:pull,push"`);
      },
    });
    const one = session({ ...settings, credentials });
    const url = `${registry.origin}${manifest('app')}`;
    const outcomes = [await send(one, url, 'GET', undefined, false), await send(one, url)]; // the first with a token for too little
    expect(outcomes).toMatchObject([
      { status: 401, sent: [expect.stringMatching(/^Bearer /), undefined] },
      { status: 200, sent: [expect.stringMatching(/^Bearer /)] },
    ]); // not sent a third time, but learned from
    expect(registry.received.filter(({ authorization }) => authorization?.startsWith('Basic'))).toEqual([]);
  });

  it('32: a registry that turns to passwords loses its tokens, and gets no password', async () => {
    let hasTurned = false;
    const { registry, server, settings } = await world({ answer: () => (hasTurned ? challenged('Basic realm="x"') : undefined) });
    const one = session({ ...settings, credentials });
    for (const name of ['a', 'b']) await send(one, `${registry.origin}${manifest(name)}`);
    hasTurned = true;
    expect(await send(one, `${registry.origin}${manifest('a')}`)).toMatchObject({ status: 401, sent: [expect.any(String), undefined] });
    expect(one.size).toBe(0);
    hasTurned = false;
    expect((await send(one, `${registry.origin}${manifest('b')}`)).status).toBe(200);
    expect([server.received.length, registry.received.filter(({ authorization }) => authorization?.startsWith('Basic'))]).toEqual([3, []]);
  });

  it('35: of several challenges the one for a token is answered', async () => {
    const { registry, settings } = await world({
      answer: ({ target, authorization }, realm) =>
        target === '/v2/' || !authorization
          ? challenged('Negotiate', 'Basic realm="x"', `${realm},scope="repository:app:pull"`)
          : undefined,
    });
    expect((await send(session({ ...settings, credentials }), `${registry.origin}${manifest('app')}`)).status).toBe(200);
  });

  it('23, 24: a challenge without a scope or a service asks for what the request needs, and for no service', async () => {
    const { server, tokens } = await world();
    const realm = `Bearer realm="${server.origin}/token"`;
    const registry = await open(({ target, authorization }) =>
      target !== '/v2/' && tokens.problem(authorization, 'app', ['pull']) === undefined ? { status: 200 } : challenged(realm),
    );
    const one = session({ origin: registry.origin, trustedRealms: [server.origin] });
    expect((await send(one, `${registry.origin}${manifest('app')}`)).status).toBe(200);
    expect(server.received.map(({ target }) => target)).toEqual(['/token?scope=repository%3Aapp%3Apull']);
  });

  it('73: an identity token goes to the realm, in the body, and to no registry; what comes back with a token is not used', async () => {
    const { registry, server, settings } = await world({
      grant: (received, tokens) =>
        tokens.reply(
          { ...received, target: `/?scope=${new URLSearchParams(received.body).get('scope')}` },
          { refresh_token: 'canary-new' },
        ),
    });
    const credential: Credential = { kind: 'refresh', token: 'canary-refresh' };
    const one = session({ ...settings, credentials: [{ prefix: '', credential }] });
    for (const name of ['a', 'b']) expect((await send(one, `${registry.origin}${manifest(name)}`)).status).toBe(200);
    expect(server.received.map(({ method, target }) => [method, target])).toEqual(Array(2).fill(['POST', '/token']));
    for (const { body } of server.received) expect(new URLSearchParams(body).get('refresh_token')).toBe('canary-refresh');
    expect(JSON.stringify(registry.received)).not.toMatch(/canary-(refresh|new)/);
    await closed(server);
  });

  it('one context: a token for each repository, which grows', async () => {
    const { registry, server, settings } = await world();
    const one = session(settings, { mode: 'context' });
    for (const name of ['a', 'b'])
      for (const method of ['GET', 'PUT', 'GET', 'HEAD'])
        expect((await send(one, `${registry.origin}${manifest(name)}`, method)).status).toBe(200);
    expect(scopesAsked(server).flat()).toEqual(['a', 'b'].flatMap((name) => [`repository:${name}:pull`, `repository:${name}:pull,push`]));
    const sent = new Set(registry.of('/v2/b/').map(({ authorization }) => authorization));
    expect(registry.of('/v2/a/').filter(({ authorization }) => sent.has(authorization))).toEqual([]);
  });
});
