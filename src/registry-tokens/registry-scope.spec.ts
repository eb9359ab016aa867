import fc from 'fast-check';
import { normalScopes, type RequiredScopes, requiredScopes, scopesToAsk, widened } from './registry-scope.js';
import type { RegistrySettings } from './registry-settings.js';

const read = (repository: string) => required('GET', `/v2/${repository}/manifests/latest`);
const write = (repository: string) => required('PUT', `/v2/${repository}/manifests/latest`);
const remove = (repository: string) => required('DELETE', `/v2/${repository}/manifests/latest`);
const mount = (repository: string, from: string) => required('POST', `/v2/${repository}/blobs/uploads/?mount=sha256:0&from=${from}`);
const CATALOG = required('GET', '/v2/_catalog');

function required(method: string, target: string): RequiredScopes {
  const found = requiredScopes({ method, target });
  if (found === undefined) throw new Error(`nothing is required for ${method} ${target}`);
  return found;
}

const name = fc.constantFrom('a', 'b', 'team-a/app', 'team-b/app', 'app', 'x/team-a/app', 'team-a/x/app', 'host:5000/ns/x', 'catalog', '');
const actions = fc.array(fc.constantFrom('pull', 'push', 'delete', '*', '', 'other'), { maxLength: 4 }).map((list) => list.join());
const scope = fc.oneof(
  { arbitrary: fc.tuple(name, actions).map(([of, what]) => `repository:${of}:${what}`), weight: 4 },
  fc.constantFrom('repository(plugin):a:pull', 'registry:catalog:*', 'aws', 'a:b', '', ':', '::', ':::', 'a::b', '__proto__:a:pull'),
);

describe('normalScopes', () => {
  it.each([
    ['15: the order of actions', ['repository:a:push,pull'], ['repository:a:pull,push']],
    ['15: the order of scopes', ['repository:b:pull', 'repository:a:pull'], ['repository:a:pull', 'repository:b:pull']],
    ['15: in one line or several', ['repository:b:pull  repository:a:pull '], ['repository:a:pull', 'repository:b:pull']],
    ['16: one scope for each resource', ['repository:a:push', 'repository:a:pull'], ['repository:a:pull,push']],
    ['16: everything once', ['repository:a:pull,pull', 'repository:a:pull'], ['repository:a:pull']],
    ['16: a star stands for all', ['repository:a:pull,*,delete', 'repository:a:push'], ['repository:a:*']],
    ['16: nothing is no action', ['repository:a:,pull,', 'repository:b:', 'repository:c:,,', ''], ['repository:a:pull']],
    ['16: other forms stay', ['aws', 'a:b', 'aws', ':', '::x'], [':', '::x', 'a:b', 'aws']],
    ['16: other types stay apart', ['registry:catalog:*', 'repository:catalog:*'], ['registry:catalog:*', 'repository:catalog:*']],
    ['17: a host with a port in a name', ['repository:host:5000/ns/x:push,pull'], ['repository:host:5000/ns/x:pull,push']],
    ['18: a class', ['repository(plugin):a:pull', 'repository:a:push'], ['repository:a:pull,push']],
    [
      '18: no class',
      ['repository(x:a:pull', '(plugin):a:pull', 'a(b)(c):a:pull'],
      ['(plugin):a:pull', 'a(b)(c):a:pull', 'repository(x:a:pull'],
    ],
    ['nothing', [], []],
  ])('%s', (_name, scopes, normal) => {
    expect(normalScopes(scopes)).toEqual(normal);
  });

  it('15: depends on no order, and leaves alone what it has made', () => {
    const lists = fc
      .array(scope, { maxLength: 8 })
      .chain((scopes) => fc.tuple(fc.constant(scopes), fc.shuffledSubarray(scopes, { minLength: scopes.length })));
    fc.assert(
      fc.property(lists, ([scopes, shuffled]) => {
        const normal = normalScopes(scopes);
        const reversed = shuffled.map((one) =>
          one.replace(/^(repository:.+:)([^:]*)$/, (_all, start, list) => start + list.split(',').reverse().join()),
        );
        expect(normalScopes(reversed)).toEqual(normal);
        expect(normalScopes(normal)).toEqual(normal);
        expect(normalScopes([...normal, ...scopes])).toEqual(normal);
        expect(normalScopes([normal.join(' ')])).toEqual(normal);
      }),
      { numRuns: 1_000 },
    );
  });

  it('reads no more than a bounded part', () => {
    const many = (count: number) => Array.from({ length: count }, (_, at) => `repository:a${at}:pull`);
    expect(normalScopes(many(64))).toHaveLength(64);
    expect(() => normalScopes(many(65))).toThrow(RangeError);
    expect(() => normalScopes([`repository:${'a'.repeat(8192)}:pull`])).toThrow(RangeError);
    expect(normalScopes([`${'repository('.repeat(700)}:x`, `${':'.repeat(400)}`])).toHaveLength(2);
  });
});

describe('requiredScopes', () => {
  it.each([
    ['GET', 'manifests/latest', ['repository:a/b:pull']],
    ['HEAD', 'manifests/latest', ['repository:a/b:pull']],
    ['PUT', 'manifests/latest', ['repository:a/b:pull,push']],
    ['DELETE', 'manifests/latest', ['repository:a/b:delete']],
    ['GET', 'tags/list', ['repository:a/b:pull']],
    ['POST', 'blobs/uploads/', ['repository:a/b:pull,push']],
    ['PATCH', 'blobs/uploads/x', ['repository:a/b:pull,push']],
    ['PUT', 'blobs/uploads/x?digest=sha256:0', ['repository:a/b:pull,push']],
    ['GET', 'blobs/uploads/x', ['repository:a/b:pull']],
    ['DELETE', 'blobs/uploads/x', ['repository:a/b:delete']],
  ])('10: %s /v2/a/b/%s', (method, rest, scopes) => {
    expect(requiredScopes({ method, target: `/v2/a/b/${rest}` })).toEqual({ repository: 'a/b', scopes });
  });

  it('38: a mount needs both repositories, in one order', () => {
    expect(mount('b', 'a')).toEqual({ repository: 'b', mountedFrom: 'a', scopes: ['repository:a:pull', 'repository:b:pull,push'] });
    expect(mount('a', 'a')).toEqual({ repository: 'a', mountedFrom: 'a', scopes: ['repository:a:pull,push'] });
    expect(required('POST', '/v2/b/blobs/uploads/?mount=sha256:0').scopes).toEqual(['repository:b:pull,push']);
  });

  it('42: a mount is another key than a push', () => {
    expect(mount('b', 'a').scopes).not.toEqual(write('b').scopes);
  });

  it('10: the catalog is a resource of its own, and only read', () => {
    expect(CATALOG).toEqual({ repository: '', scopes: ['registry:catalog:*'] });
    for (const method of ['POST', 'DELETE']) expect(requiredScopes({ method, target: '/v2/_catalog' })).toBeUndefined();
  });

  it.each(['get', 'Get', 'OPTIONS', 'TRACE', 'CONNECT', 'PROPFIND', 'LINK', '', 'GET '])('10: %j is no method of registries', (method) => {
    expect(requiredScopes({ method, target: '/v2/a/tags/list' })).toBeUndefined();
  });

  it.each(['GET', 'PUT', 'PATCH', 'DELETE', 'HEAD'])('38: %s mounts nothing', (method) => {
    expect(requiredScopes({ method, target: '/v2/a/blobs/uploads/?mount=sha256:0&from=b' })).toBeUndefined();
  });

  it('knows nothing of the ping', () => {
    expect(requiredScopes({ method: 'GET', target: '/v2/' })).toBeUndefined();
  });
});

describe('widened', () => {
  it.each([
    [read('a'), ['repository:a:pull,push']],
    [write('a'), ['repository:a:pull,push']],
    [remove('a'), ['repository:a:delete']],
    [mount('b', 'a'), ['repository:a:pull', 'repository:b:pull,push']],
    [CATALOG, ['registry:catalog:*']],
  ])('9: adds push to what is pulled of the repository itself: %j', (given, scopes) => {
    expect(widened(given)).toEqual({ ...given, scopes });
  });
});

describe('scopesToAsk', () => {
  const both = ['repository:a:pull', 'repository:b:pull,push'];

  it.each<[string, RequiredScopes, string | undefined, string[]]>([
    ['15: the spelling does not matter', mount('b', 'a'), 'repository:b:push,pull repository:a:pull', both],
    ['15: nor does the order', mount('b', 'a'), 'repository:a:pull repository:b:pull,push', both],
    ['18: a class is left out', read('a'), 'repository(plugin):a:pull', ['repository:a:pull']],
    ['19: the end of a name', read('foo-docker/test/cp5'), 'repository:test/cp5:pull', ['repository:test/cp5:pull']],
    ['19: the end of a name is asked what is required', write('foo-docker/x'), 'repository:x:pull', ['repository:x:pull,push']],
    ['20: more than is required', read('a'), 'repository:a:pull,push', ['repository:a:pull,push']],
    ['20: less than is required', write('a'), 'repository:a:pull', ['repository:a:pull,push']],
    ['20: other words for reading', read('a'), 'repository:a:metadata_read', ['repository:a:metadata_read,pull']],
    ['20: for a delete', remove('a'), 'repository:a:pull,push', ['repository:a:delete,pull,push']],
    ['23: no scope', write('a'), undefined, ['repository:a:pull,push']],
    ['23: an empty scope', mount('b', 'a'), ' ', both],
    ['23: a word that names nothing', read('a'), 'aws', ['repository:a:pull']],
    ['38: the mounted one alone', mount('b', 'a'), 'repository:a:pull', both],
    ['38: the other one alone', mount('b', 'a'), 'repository:b:pull,push', both],
    ['the catalog', CATALOG, 'registry:catalog:*', ['registry:catalog:*']],
    ['the catalog, without a scope', CATALOG, undefined, ['registry:catalog:*']],
  ])('%s', (_name, given, challenged, scopes) => {
    expect(scopesToAsk(given, challenged)).toEqual(scopes);
  });

  it.each([
    ['another', read('team-b/app'), 'repository:team-a/app:pull'],
    ['another beside it', read('team-b/app'), 'repository:team-b/app:pull repository:team-a/app:pull'],
    ['two that it may be called', read('x/team-b/app'), 'repository:team-b/app:pull repository:app:pull'],
    ['a third', mount('b', 'a'), 'repository:a:pull repository:b:pull repository:c:pull'],
    ['one that begins alike', read('team-b/app'), 'repository:team-b:pull'],
    ['a longer one', read('app'), 'repository:team-a/app:pull'],
    ['the end of a part', read('team-b/app'), 'repository:pp:pull'],
    ['a slash and the end', read('team-b/app'), 'repository:/app:pull'],
    ['a pattern', read('team-b/app'), 'repository:*:pull'],
    ['the same in upper case', read('team-b/app'), 'repository:TEAM-B/APP:pull'],
    ['one with a host before it', read('team-b/app'), 'repository:host:5000/team-b/app:pull'],
    ['the source of a mount that is none', write('b'), 'repository:b:pull,push repository:a:pull'],
    ['the catalog', read('team-b/app'), 'registry:catalog:*'],
    ['another type', read('team-b/app'), 'artifact:team-b/app:pull'],
    ['a repository, for the catalog', CATALOG, 'repository:a:pull'],
    ['one beside the catalog', CATALOG, 'registry:catalog:* repository:a:pull'],
    ['too many', read('a'), Array(65).fill('repository:a:pull').join(' ')],
    ['too much', read('a'), `repository:a:${'pull,'.repeat(2000)}`],
  ])('75b: nothing is asked if the challenge names %s', (_name, given, challenged) => {
    expect(scopesToAsk(given, challenged)).toBeUndefined();
  });

  it('27: asking again would ask the same', () => {
    const asked = scopesToAsk(write('foo-docker/x'), 'repository:x:pull,push');
    expect(scopesToAsk(write('foo-docker/x'), asked?.join(' '))).toEqual(asked);
  });

  it('28: what is asked of the challenge alone', () => {
    expect(scopesToAsk({ ...write('a'), scopes: [] }, 'repository:a:pull')).toEqual(['repository:a:pull']);
    expect(scopesToAsk({ ...write('a'), scopes: [] }, 'repository:b:pull')).toBeUndefined();
    expect(scopesToAsk({ ...write('a'), scopes: [] }, undefined)).toEqual([]);
  });

  it.each([
    ['repository:a:*', ['repository:a:pull,push']],
    ['repository:a:pull,push,delete', ['repository:a:pull,push']],
    ['repository:a:admin', ['repository:a:pull']],
  ])('75b: a read asks for nothing that destroys, whatever the challenge says: %s', (challenged, scopes) => {
    expect(scopesToAsk(read('a'), challenged)).toEqual(scopes);
  });

  it('75b: nor does a delete ask for everything', () => {
    expect(scopesToAsk(remove('a'), 'repository:a:*')).toEqual(['repository:a:delete,pull,push']);
  });

  it('75b: by a guessed name nothing is asked beyond what is required, and of a mounted repository nothing but pull', () => {
    expect(scopesToAsk(read('team-b/app'), 'repository:app:pull,push,delete')).toEqual(['repository:app:pull']);
    expect(scopesToAsk(mount('b', 'a'), 'repository:b:pull,push repository:a:pull,push')).toEqual(both);
    expect(scopesToAsk(mount('b', 'a'), 'repository:a:pull,push')).toEqual(both);
  });

  it.each([
    ['both named', 'repository:a:pull repository:b:pull,push'],
    ['the first named', 'repository:b:pull,push'],
    ['the mounted named', 'repository:a:pull'],
  ])('19: a mount through a gateway that takes a prefix away, %s', (_name, challenged) => {
    expect(scopesToAsk(mount('foo/b', 'foo/a'), challenged)).toEqual(both);
  });

  it('19: a mount across gateways is called as far as anybody has said', () => {
    expect(scopesToAsk(mount('foo/b', 'bar/a'), 'repository:b:pull,push')).toEqual(['repository:b:pull,push', 'repository:bar/a:pull']);
    expect(scopesToAsk(mount('foo/app', 'bar/app'), 'repository:app:pull,push')).toEqual(['repository:app:pull,push']);
    expect(scopesToAsk(mount('team-b/app', 'app'), 'repository:app:pull')).toEqual([
      'repository:app:pull',
      'repository:team-b/app:pull,push',
    ]);
  });

  describe('with rewrites', () => {
    const rewrites = [
      { requested: 'foo-docker', challenged: '' },
      { requested: 'foo-docker/special', challenged: 'elsewhere/at' },
      { requested: 'hub', challenged: 'library' },
    ];

    it.each<[RequiredScopes, string | undefined, string[]]>([
      [read('foo-docker/test/cp5'), 'repository:test/cp5:pull', ['repository:test/cp5:pull']],
      [read('foo-docker/test/cp5'), 'repository:test/cp5:pull,push', ['repository:test/cp5:pull,push']],
      [read('foo-docker/test/cp5'), 'repository:foo-docker/test/cp5:pull', ['repository:foo-docker/test/cp5:pull']],
      [read('foo-docker/test/cp5'), undefined, ['repository:test/cp5:pull']],
      [read('foo-docker/special/x'), undefined, ['repository:elsewhere/at/x:pull']],
      [read('foo-docker/special/x'), 'repository:special/x:pull', ['repository:special/x:pull']],
      [read('hub/alpine'), 'repository:library/alpine:pull', ['repository:library/alpine:pull']],
      [read('hub'), undefined, ['repository:library:pull']],
      [read('hubbub/x'), undefined, ['repository:hubbub/x:pull']],
      [read('foo-docker'), undefined, ['repository:foo-docker:pull']],
      [mount('hub/b', 'foo-docker/a'), 'repository:library/b:pull,push', ['repository:a:pull', 'repository:library/b:pull,push']],
      [mount('hub/b', 'foo-docker/a'), 'repository:hub/b:pull,push', ['repository:foo-docker/a:pull', 'repository:hub/b:pull,push']],
      [mount('hub/b', 'foo-docker/a'), undefined, ['repository:a:pull', 'repository:library/b:pull,push']],
    ])('19: %j, challenged %s', (given, challenged, scopes) => {
      expect(scopesToAsk(given, challenged, rewrites)).toEqual(scopes);
    });

    it.each([
      [rewrites, 'hub/team/app', 'team/app'],
      [rewrites, 'hub/team/app', 'app'],
      [rewrites, 'foo-docker/team/app', 'app'],
      [[], 'team-b/app', 'app'],
    ])('75b: nothing is guessed beside them: %j', (given, repository, challenged) => {
      expect(scopesToAsk(read(repository), `repository:${challenged}:pull`, given)).toBeUndefined();
      expect(scopesToAsk(read(repository), `repository:${repository}:pull`, given)).toEqual([`repository:${repository}:pull`]);
    });

    it('the empty prefix is that of all', () => {
      expect(scopesToAsk(read('a/b'), undefined, [{ requested: '', challenged: 'mirror/' }])).toEqual(['repository:mirror/a/b:pull']);
    });
  });

  it('75b: never asks for another repository, nor for more than pull and push beyond what is required', () => {
    const repository = fc.constantFrom('a', 'app', 'team-a/app', 'team-b/app', 'x/team-a/app', 'x/a');
    const request = fc.oneof(
      repository.map(read),
      repository.map(write),
      repository.map(remove),
      fc.tuple(repository, repository).map(([to, from]) => mount(to, from)),
      fc.constant(CATALOG),
    );
    const challenged = fc.option(
      fc.array(scope, { maxLength: 3 }).map((scopes) => scopes.join(' ')),
      { nil: undefined },
    );
    const rewriting = fc.option(
      fc.array(fc.record({ requested: fc.constantFrom('x', 'x/team-a', ''), challenged: fc.constantFrom('', 'mirror', 'team-b') }), {
        maxLength: 2,
      }),
      { nil: undefined },
    );
    fc.assert(
      fc.property(request, challenged, rewriting, (given, text, rewrites) => {
        const asked = scopesToAsk(given, text, rewrites);
        for (const one of asked ?? []) expect(mayBeAsked(one, given, rewrites)).toBe(true);
        if (asked !== undefined) expect(normalScopes(asked)).toEqual(asked);
      }),
      { numRuns: 5_000 },
    );
  });
});

/** By comparing with all names that there may be: not how it is done, but what it means. */
function mayBeAsked(one: string, { repository, mountedFrom, scopes }: RequiredScopes, rewrites: RegistrySettings['rewrites']): boolean {
  if (repository === '') return scopes.includes(one);
  const [, of = '', what = ''] = /^repository:(.*):(.*)$/.exec(one) ?? [];
  const names = (from: string) => [
    from,
    ...(rewrites ? rewrites.map((rule) => replaced(from, rule)) : from.split('/').map((_part, at) => from.split('/').slice(at).join('/'))),
  ];
  const isOwn = names(repository).includes(of);
  const isMounted = mountedFrom !== undefined && names(mountedFrom).includes(of);
  const deletes = scopes.some((text) => text.endsWith(':delete'));
  const mayDo = isOwn ? ['pull', 'push', ...(deletes ? ['delete'] : [])] : ['pull'];
  return (isOwn || isMounted) && what.split(',').every((action) => mayDo.includes(action));
}

function replaced(from: string, { requested, challenged }: { requested: string; challenged: string }): string {
  const prefix = requested === '' ? '' : `${requested}/`;
  const start = challenged === '' ? '' : `${challenged}/`;
  return `${from}/`.startsWith(prefix) ? (start + `${from}/`.slice(prefix.length)).replace(/\/$/, '') : from;
}
