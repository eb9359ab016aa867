import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createRawServer } from 'node:net';
import { promisify } from 'node:util';
import { jest } from '@jest/globals';
import { BASIC, closeAll, header, manifest, open, scopesAsked, session, statuses, world } from './support/registry-world.js';
import { TlsRealms } from './support/tls-realms.js';
import { challenged, json, type Reply, send } from './support/token-registry.js';

/* Sessions and token servers that are slow, down or hostile, and what becomes of tokens in time. */

afterEach(closeAll);

const credentials = [{ prefix: '', credential: BASIC('a') }];

/** A promise, and what ends it. */
function latch<T = void>(): { promise: Promise<T>; open: (value: T) => void } {
  let open: (value: T) => void = () => undefined;
  const promise = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

describe('a token server', () => {
  it('51: whoever waits gets a token when the one that began is gone', async () => {
    const [arrived, held] = [latch(), latch()];
    const { registry, server, settings } = await world({
      grant: async () => {
        arrived.open();
        await held.promise;
        return undefined;
      },
    });
    const one = session(settings);
    const url = `${registry.origin}${manifest('app')}`;
    const gone = new AbortController();
    const first = send(one, url, 'GET', gone.signal);
    const others = Array.from({ length: 31 }, () => send(one, url));
    await arrived.promise;
    gone.abort(new Error('gone'));
    await expect(first).rejects.toThrow('gone');
    held.open();
    expect(statuses(await Promise.all(others))).toEqual(Array(31).fill(200));
    expect(server.received).toHaveLength(1);
  });

  it('51: and when the request that was to find out what to ask for is gone', async () => {
    const { registry, server, settings } = await world({ answer: ({ target }) => (target === '/v2/' ? { status: 200 } : undefined) });
    const one = session(settings);
    const request = { origin: registry.origin, method: 'GET', target: manifest('app') };
    const [first, second, third] = [one.begin(request), one.begin(request), one.begin(request)];
    const gone = new AbortController();
    const fourth = one.begin(request, gone.signal);
    (await first).abandoned();
    gone.abort(new Error('gone'));
    await expect(fourth).rejects.toThrow('gone');
    const lead = await second;
    expect(lead.authorization).toBeUndefined();
    const challenge = `Bearer realm="${server.origin}/token",service="registry.test",scope="repository:app:pull"`;
    const again = await lead.answered(401, [challenge]);
    expect((await third).authorization).toBe(again?.authorization);
    expect(again?.authorization).toMatch(/^Bearer /);
    expect(server.received).toHaveLength(1);
  });

  it('19, 51: the request that asks a registry first fails with 500, is broken off, or is for nobody: the next one asks', async () => {
    const { registry, server, settings } = await world();
    const one = session(settings);
    const begin = (name: string) => one.begin({ origin: registry.origin, method: 'GET', target: manifest(name) });
    const begun = ['a', 'b', 'c', 'd', 'e'].map(begin);
    const [a, b, c, d, e] = begun;
    let open = 0;
    for (const attempt of begun) void attempt.then(() => open++);
    const alone = async (attempt: (typeof begun)[number] | undefined, at: number) => {
      const { authorization } = (await attempt) ?? {};
      await new Promise(setImmediate);
      expect([authorization, open]).toEqual([undefined, at]);
      return attempt;
    };
    expect(await (await alone(a, 1))?.answered(500, [])).toBeUndefined();
    (await alone(b, 2))?.abandoned();
    expect(await (await alone(c, 3))?.answered(429, [])).toBeUndefined();
    const challenge = (scope: string) => `Bearer realm="${server.origin}/token",service="registry.test",scope="repository:${scope}:pull"`;
    const next = await (await alone(d, 4))?.answered(401, [challenge('d')]);
    expect(next?.authorization).toMatch(/^Bearer /);
    expect((await e)?.authorization).toMatch(/^Bearer /);
    expect([registry.received, scopesAsked(server).flat().sort()]).toEqual([[], ['repository:d:pull', 'repository:e:pull']]);
  });

  it('51: the one that asks first is gone as soon as it is told where tokens are: the others go on', async () => {
    const { registry, server, settings } = await world();
    const one = session(settings);
    const begin = () => one.begin({ origin: registry.origin, method: 'GET', target: manifest('app') });
    const [first, second] = [begin(), begin()];
    const gone = AbortSignal.abort(new Error('gone'));
    const challenge = `Bearer realm="${server.origin}/token",service="registry.test",scope="repository:app:pull"`;
    await expect((await first).answered(401, [challenge], gone)).rejects.toThrow('gone');
    expect((await second).authorization).toMatch(/^Bearer /);
    expect([registry.received, server.received.length]).toEqual([[], 1]);
  });

  it('11, 51: those who wait for the one that asks first are told when the session is over, or go when they are broken off', async () => {
    const { registry, settings } = await world();
    const one = session(settings);
    const gone = new AbortController();
    const begin = (signal?: AbortSignal) => one.begin({ origin: registry.origin, method: 'GET', target: manifest('app') }, signal);
    const [first, second, third] = [begin(), begin(gone.signal), begin()];
    const outcomes = Promise.allSettled([second, third]);
    const lead = await first;
    gone.abort(new Error('gone'));
    one.release();
    expect(await outcomes).toMatchObject([{ reason: { message: 'gone' } }, { reason: { code: 'released' } }]);
    const challenge = `Bearer realm="${registry.origin}/token",scope="repository:app:pull"`;
    expect(await lead.answered(401, [challenge])).toBeUndefined();
    expect([one.size, registry.received]).toEqual([0, []]);
  });

  it('52: that refuses one repository is asked for the others, who waited for the same question', async () => {
    const { registry, settings } = await world({ grant: ({ target }) => (target.includes('bad') ? { status: 403 } : undefined) });
    const one = session(settings);
    const names = ['bad', 'bad', ...Array.from({ length: 6 }, (_, at) => `app-${at}`)];
    const outcomes = await Promise.allSettled(names.map((name) => send(one, `${registry.origin}${manifest(name)}`)));
    expect(outcomes.slice(0, 2)).toMatchObject([{ value: { status: 401 } }, { reason: { code: 'token-refused' } }]);
    expect(outcomes.slice(2)).toMatchObject(Array(6).fill({ value: { status: 200 } }));
  });

  it('52: that fails fails for those who wait, each once, and is asked again by the next one', async () => {
    let isDown = true;
    const { registry, server, settings } = await world({ grant: () => (isDown ? { status: 400 } : undefined) });
    const one = session(settings);
    const url = `${registry.origin}${manifest('app')}`;
    const outcomes = await Promise.allSettled(Array.from({ length: 32 }, () => send(one, url)));
    const [first, ...others] = outcomes; // the first has an answer already, which is final
    expect(first).toMatchObject({ value: { status: 401, sent: [undefined], explained: expect.stringMatching(/answers with status 400/) } });
    expect(others.map((outcome) => (outcome as PromiseRejectedResult).reason.code)).toEqual(Array(31).fill('token-server-failed'));
    expect([server.received.length, registry.of('/v2/app').length]).toEqual([1, 1]);
    isDown = false;
    expect((await send(one, url)).status).toBe(200);
  });

  it('53: that is slow holds up no other registry and no other repository', async () => {
    const held = latch();
    const x = await world({
      grant: async ({ target }) => {
        if (target.includes('slow')) await held.promise;
        return undefined;
      },
    });
    const y = await world();
    const one = session([x.settings, y.settings]);
    const slow = send(one, `${x.registry.origin}${manifest('slow')}`);
    const quick = [`${x.registry.origin}${manifest('quick')}`, `${y.registry.origin}${manifest('app')}`];
    expect(statuses(await Promise.all(quick.map((url) => send(one, url))))).toEqual([200, 200]);
    held.open();
    expect((await slow).status).toBe(200);
  });

  it.each<[string, Reply]>([
    ['65: that leads elsewhere is not followed', { status: 302, headers: { location: 'TRAP/token' } }],
    ['65: even where it is to be asked the same again', { status: 307, headers: { location: 'TRAP/token' } }],
    ['58: that answers without end is not heard', { status: 200, body: JSON.stringify({ token: 'x', padding: 'x'.repeat(200_000) }) }],
  ])('%s', async (_, reply) => {
    const trap = await open(() => json({ token: 'trap' }));
    const location = String(reply.headers?.location).replace('TRAP', trap.origin);
    const { registry, settings } = await world({ grant: () => ({ ...reply, headers: { location } }) });
    const one = session({ ...settings, credentials });
    const url = `${registry.origin}${manifest('app')}`;
    const explained = expect.stringMatching(/is not followed with a credential|has answered with/);
    expect(await send(one, url)).toEqual({ status: 401, sent: [undefined], explained });
    await expect(send(one, url)).rejects.toMatchObject({ code: 'token-server-failed', message: explained });
    expect([trap.received, registry.received.length]).toEqual([[], 1]);
  });

  it('58: that changes the protocol instead of answering fails like any other', async () => {
    const server = createRawServer((socket) =>
      socket
        .on('error', () => undefined)
        .once('data', () => socket.end('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n')),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { registry } = await world();
    const one = session({ origin: registry.origin, realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token` });
    const outcome = send(one, `${registry.origin}${manifest('app')}`).finally(() => server.close());
    await expect(outcome).rejects.toMatchObject({ code: 'token-server-failed' });
  });

  it('58: that answers a byte at a time is not waited for', async () => {
    const server = createServer((_, response) => {
      response.writeHead(200, { 'content-length': 1_000 });
      const drip = setInterval(() => response.write(' '), 10);
      response.on('close', () => clearInterval(drip));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
      const one = session({ origin: 'http://127.0.0.1:9', realm }, { limits: { answerMs: 100 } });
      const begun = one.begin({ origin: 'http://127.0.0.1:9', method: 'GET', target: manifest('app') });
      await expect(begun).rejects.toMatchObject({ code: 'token-server-failed', message: expect.stringMatching(/within 0.1 s/) });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it.each([
    ['61: elsewhere', (trap: string) => `${trap}/token`, true],
    ['63: by another scheme', () => 'file:///etc/passwd', false],
    ['63: with a user', (trap: string) => trap.replace('//', '//user:x@'), false],
    ['63: with a fragment', (trap: string) => `${trap}/#token`, false],
  ])('%s is not asked, with a credential or without, and both are named', async (_, realmOf, isElsewhere) => {
    const trap = await open(() => json({ token: 'trap' }));
    const registry = await open(() => challenged(`Bearer realm="${realmOf(trap.origin)}",service="x"`));
    for (const settings of [{ origin: registry.origin }, { origin: registry.origin, credentials }]) {
      const named = expect.stringMatching(isElsewhere ? `${registry.origin} .*${trap.origin}` : `${registry.origin} `);
      const url = `${registry.origin}${manifest('app')}`;
      const outcomes = await Promise.all(Array.from({ length: 4 }, () => send(session(settings), url)));
      expect(outcomes).toEqual(Array(4).fill({ status: 401, sent: [undefined], explained: named }));
      const apart = send(session(settings), url, 'PUT');
      await expect(apart).rejects.toMatchObject({ code: expect.stringMatching(/realm-not-trusted|bad-challenge/), message: named });
    }
    expect([trap.received, registry.received.length, registry.of('/v2/app').length]).toEqual([[], 10, 8]);
    expect(registry.received.filter(({ authorization }) => authorization)).toEqual([]);
  });

  it('64: at an address that is not to be dialled is not asked, even at the host of the registry', async () => {
    const { registry, server, settings } = await world();
    const one = session({ ...settings, realm: `${server.origin}/token`, addresses: ['public'], credentials });
    await expect(send(one, `${registry.origin}${manifest('app')}`)).rejects.toMatchObject({ code: 'address-refused' });
    const none = () => session({ ...settings, addresses: [], credentials });
    const url = `${registry.origin}${manifest('app')}`;
    await expect(send(none(), url, 'PUT')).rejects.toMatchObject({ code: 'address-refused' });
    expect([server.received, registry.received]).toEqual([[], []]);
    // what is sent by others is for them to look at
    expect(await send(none(), url)).toEqual({ status: 401, sent: [undefined], explained: expect.stringMatching(/has a loopback address/) });
    expect([server.received, registry.received.length]).toEqual([[], 1]);
  });
});

describe('a token server at another host than the registry', () => {
  it('64: by a name that leads to this machine is not asked, by the resolver of the system, whoever trusts it', async () => {
    const { registry, server, settings } = await world();
    const named = server.origin.replace('127.0.0.1', 'localhost');
    const told = { ...settings, credentials, trustedRealms: [named], realm: `${named}/token` };
    const outcome = (addresses?: ('public' | 'private' | 'loopback')[]) =>
      send(session({ ...told, ...(addresses && { addresses }) }), `${registry.origin}${manifest('app')}`);
    await expect(outcome(['public', 'private'])).rejects.toMatchObject({
      code: 'address-refused',
      message: expect.stringContaining('localhost'),
    });
    expect([server.received, registry.received]).toEqual([[], []]);
    expect((await outcome(['loopback'])).status).toBe(200); // the same name, where it may
    expect(server.received).toHaveLength(1);
  });

  it('77: sees no certificate of the registry’s client over TLS, nor is believed by the authority of the registry', async () => {
    await using tls = await TlsRealms.start();
    const { own, other } = tls;
    const asked = await tls.asked(own, { origin: own, realm: `${own}/token`, ca: true });
    expect(asked).toEqual(['got a token', ['client of the registry']]);
    const trusted = { origin: own, realm: `${other}/token` };
    expect(await tls.asked(other, { ...trusted, ca: true })).toEqual(['token-server-failed', []]);
    expect(await tls.asked(other, { ...trusted, ca: true, believed: true })).toEqual(['got a token', ['nobody']]);
  });
});

describe('in time', () => {
  it('45, 46, 56: a token is renewed at nine tenths of its life, before a request and not during one', async () => {
    let now = 1_000;
    const { registry, server, settings } = await world();
    const one = session(settings, { now: () => now });
    const upload = (method: string) => send(one, `${registry.origin}/v2/app/blobs/uploads/1`, method);
    const post = await upload('POST');
    now += 269_000;
    const attempt = await one.begin({ origin: registry.origin, method: 'PATCH', target: '/v2/app/blobs/uploads/1' });
    expect([attempt.authorization]).toEqual(post.sent);
    now += 30_000; // it took long
    expect(await attempt.answered(202, [])).toBeUndefined();
    const put = await upload('PUT');
    expect([put.status, put.sent.length, server.received.length]).toEqual([200, 1, 2]);
    expect(put.sent).not.toEqual(post.sent);
  });

  it('54: a token of which nothing is said is renewed within a minute; one that is over at once is used once', async () => {
    let now = 0;
    const { registry, server, settings } = await world({
      grant: (received, tokens) => tokens.reply(received, received.target.includes('once') ? { expires_in: 0 } : {}),
    });
    const one = session(settings, { now: () => now });
    const asked = async (name: string, at: number) => {
      now = at;
      expect((await send(one, `${registry.origin}${manifest(name)}`)).status).toBe(200);
      return server.received.length;
    };
    expect([await asked('app', 0), await asked('app', 53_999), await asked('app', 54_000)]).toEqual([1, 1, 2]);
    expect([await asked('once', 54_000), await asked('once', 54_000)]).toEqual([3, 4]);
  });

  it('57: a clock that is set changes nothing', async () => {
    const { registry, server, settings } = await world();
    const one = session(settings);
    const url = `${registry.origin}${manifest('app')}`;
    await send(one, url);
    const clock = jest.spyOn(Date, 'now');
    try {
      for (const hours of [1, -1]) {
        const set = performance.timeOrigin + performance.now() + hours * 3_600_000;
        clock.mockReturnValue(set);
        expect((await send(one, url)).status).toBe(200);
      }
    } finally {
      clock.mockRestore();
    }
    expect(server.received).toHaveLength(1);
  });
});

it('the example of docs/registry-tokens.md does what it says', async () => {
  const { registry, server } = await world();
  const [example = ''] = /(?<=```js\n).*?(?=```)/s.exec(readFileSync('docs/registry-tokens.md', 'utf8')) ?? [];
  const env = { REGISTRY: registry.origin, TOKEN_SERVER: server.origin, REGISTRY_USER: 'a', REGISTRY_PASSWORD: 'canary-password-of-a' };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', example], { env });
  expect([stdout, stderr]).toEqual(['{ status: 200, why: undefined }\n', '']);
  expect([scopesAsked(server), server.received[0]?.authorization]).toEqual([[['repository:team/app:pull']], header('a')]);
});
