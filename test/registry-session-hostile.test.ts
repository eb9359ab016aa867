import type { Credential } from '../src/registry-tokens/registry-settings.js';
import type { SessionEvent } from '../src/registry-tokens/session-event.js';
import { BASIC, closeAll, header, manifest, open, session, world } from './support/registry-world.js';
import { challenged, type Received, type Reply, send } from './support/token-registry.js';

/* Sessions against those who want what is not theirs: a repository of somebody else's behind the same gateway, a registry that repeats. */

afterEach(closeAll);

const credentials = [
  { prefix: '', credential: BASIC('a') },
  { prefix: 'team-a', credential: BASIC('team-a') },
];

describe('one repository of a gateway', () => {
  const wantingToken = (): Reply => challenged('Bearer realm="http://127.0.0.1:9/token"');
  const wantingPassword = ({ authorization }: Received): Reply => (authorization ? { status: 200 } : challenged('Basic realm="x"'));

  it.each([
    ['tokens', wantingToken],
    ['passwords', wantingPassword],
  ])('8, 61: is sent no credential as a token server, where the others want %s', async (_, others) => {
    const registry = await open((received) =>
      received.target.startsWith('/v2/team-b/') ? challenged(`Bearer realm="${registry.origin}/v2/team-b/token"`) : others(received),
    );
    const one = session({ origin: registry.origin, credentials });
    await send(one, `${registry.origin}${manifest('team-a/first')}`);
    const outcome = await send(one, `${registry.origin}${manifest('team-b/app')}`);
    await send(one, `${registry.origin}${manifest('team-a/app')}`);
    expect(outcome).toMatchObject({ status: 401, explained: expect.stringContaining('a token server among its own repositories') });
    expect(registry.of('/v2/team-b/token')).toEqual([]);
    const ofTeamA = registry.received.filter(({ authorization }) => authorization === header('team-a'));
    expect(ofTeamA.every(({ target }) => target.startsWith('/v2/team-a/'))).toBe(true);
  });

  it.each([
    ['who has a credential there', 'team-b/app', 503],
    ['and for others, by one who has none there', 'other/app', 503],
    ['or refuses without a word', 'team-b/app', 401],
    ['or forbids', 'team-b/app', 403],
    ['or leads elsewhere', 'team-b/app', 302],
  ])('29: is sent no password as long as the registry itself does not answer: %s', async (_, first, status) => {
    let isDown = true;
    const registry = await open(({ target, authorization }) => {
      if (target === '/v2/' && isDown) return { status };
      return authorization ? { status: 200 } : challenged('Basic realm="x"');
    });
    const some = ['team-a', 'team-b'].map((prefix) => ({ prefix, credential: BASIC(prefix) }));
    const one = session({ origin: registry.origin, credentials: some });
    const explained = expect.stringMatching(/none are sent, for at \/v2\/ it does not answer/);
    for (const name of [first, 'team-a/app'])
      expect(await send(one, `${registry.origin}${manifest(name)}`)).toEqual({ status: 401, sent: [undefined], explained });
    isDown = false;
    expect(await send(one, `${registry.origin}${manifest('team-a/app')}`)).toMatchObject({
      status: 200,
      sent: [undefined, header('team-a')],
    });
  });
});

it('51: a credential that cannot say whose it is keeps nobody else waiting', async () => {
  const { registry, server, settings } = await world();
  let asked = 0;
  const credential: Credential = {
    kind: 'signed',
    realm: `${server.origin}/token`,
    authorization: () => 'Hawk',
    fingerprint: () => {
      asked++;
      if (asked === 2) throw new Error('none at the moment');
      return 'whose';
    },
  };
  const one = session({ ...settings, credentials: [{ prefix: '', credential }] });
  const url = `${registry.origin}${manifest('app')}`;
  await expect(send(one, url)).rejects.toThrow('none at the moment');
  expect((await send(one, url, 'GET', AbortSignal.timeout(10_000))).status).toBe(200);
});

it('11: a session that is over sends no password, whatever is answered to a request that began before', async () => {
  const registry = await open(() => ({ status: 200 }));
  const one = session({ origin: registry.origin, credentials });
  await send(one, `${registry.origin}${manifest('app')}`, 'PUT');
  const attempt = await one.begin({ origin: registry.origin, method: 'GET', target: manifest('app') });
  one.release();
  expect(await attempt.answered(401, ['Basic realm="x"'])).toBeUndefined();
  expect(attempt.explained).toMatch(/The session is over/);
});

describe('74: a registry that repeats what it was sent is not repeated', () => {
  it('a token that the request was sent with before', async () => {
    const events: SessionEvent[] = [];
    const { registry, settings } = await world({
      answer: ({ authorization }, realm) => {
        if (authorization) return challenged('Basic realm="x"');
        return challenged(registry.received.length === 1 ? realm : `${realm},scope="repository:canary-token-1:pull"`);
      },
    });
    const one = session(settings, { onEvent: (event) => events.push(event) });
    const url = `${registry.origin}${manifest('app')}`;
    const outcomes = [await send(one, url), await send(one, url)];
    expect(outcomes[1]).toMatchObject({ status: 401, sent: ['Bearer canary-token-1', undefined] });
    expect(outcomes[1]?.explained).toMatch(/with what it was sent/);
    expect(JSON.stringify(events)).not.toContain('canary');
  });

  it('a token that another request was sent with', async () => {
    const { registry, settings } = await world({
      answer: ({ target }, realm) =>
        target.startsWith('/v2/last/') ? challenged(`${realm},scope="repository:canary-token-1:pull"`) : undefined,
    });
    const one = session(settings);
    await send(one, `${registry.origin}${manifest('app')}`);
    expect((await send(one, `${registry.origin}${manifest('last')}`)).explained).toMatch(/with what it was sent/);
  });

  it('a password, as it is and not as it was encoded', async () => {
    const registry = await open(({ authorization }) =>
      challenged(
        authorization ? `Bearer realm="${registry.origin}/token",scope="repository:canary-password-of-a:pull"` : 'Basic realm="x"',
      ),
    );
    const one = session({ origin: registry.origin, credentials });
    const url = `${registry.origin}${manifest('app')}`;
    await send(one, url);
    const outcome = await send(one, url);
    expect(outcome).toMatchObject({ status: 401, sent: [header('a')], explained: expect.stringMatching(/with what it was sent/) });
  });
});
