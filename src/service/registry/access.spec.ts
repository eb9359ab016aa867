import fc from 'fast-check';
import { holdsScope } from '../../scopes/scope-set.js';
import { type Access, askedAccess, grantedAccess, inScopes } from './access.js';

const repository = (name: string, ...actions: string[]): Access => ({ type: 'repository', name, actions });
const granted = (asked: string[], held: string[]) => grantedAccess(askedAccess(asked), (scope) => holdsScope(held, scope));

describe('what is asked for', () => {
  it.each<[string, string[], Access[]]>([
    ['nothing', [], []],
    ['an empty parameter', ['', '  '], []],
    ['one', ['repository:team/app:pull'], [repository('team/app', 'pull')]],
    ['several in one parameter', ['repository:a:pull repository:b:push'], [repository('a', 'pull'), repository('b', 'push')]],
    ['one twice', ['repository:a:pull', 'repository:a:push,pull'], [repository('a', 'pull', 'push')]],
    ['a name with a port', ['repository:host:5000/ns/x:pull'], [repository('host:5000/ns/x', 'pull')]],
    ['a name with separators', ['repository:a.b/c_d/e__f/g--h:pull'], [repository('a.b/c_d/e__f/g--h', 'pull')]],
    ['a resource class', ['repository(plugin):a:pull repository:a:push'], [repository('a', 'pull', 'push')]],
    ['the catalog', ['registry:catalog:*'], [{ type: 'registry', name: 'catalog', actions: ['*'] }]],
    ['something else of the registry', ['registry:other:*', 'registry:catalog:pull'], []],
    ['types of others', ['project:x:read', 'artifact:*:*'], []],
  ])('18: %s', (_, parameters, expected) => expect(askedAccess(parameters)).toEqual(expected));

  it.each([
    'repository',
    'repository:a',
    ':a:pull',
    'repository::pull',
    'Repository:a:pull',
    'repository():a:pull',
    'repository:a*:pull',
    'repository:*:pull',
    'repository:team/*:pull',
    'repository:A/B:pull',
    'repository:/a:pull',
    'repository:a/:pull',
    'repository:a//b:pull',
    'repository:../a:pull',
    'repository:a/../b:pull',
    'repository:a___b:pull',
    'repository:a"b:pull',
    'repository:a\tb:pull',
    'repository:ä:pull',
    `repository:${'a'.repeat(256)}:pull`,
    `repository:a:${'pull,'.repeat(80)}`,
  ])('%j is refused, by name', (scope) => expect(() => askedAccess([scope])).toThrow(/^scope: /));

  it('more than a few at once are refused', () => {
    const scopes = Array.from({ length: 16 }, (_, n) => `repository:x${n}:pull`);
    expect(askedAccess([scopes.join(' ')])).toHaveLength(16);
    expect(() => askedAccess([...scopes, 'repository:a:pull'])).toThrow('scope: there are 17; ask for 16 at once');
  });

  it('a long name is read in no time', () => {
    for (const name of ['a-'.repeat(127), `${'a.'.repeat(120)}/`, `${'a'.repeat(254)}!`, '-'.repeat(255), `a${'_'.repeat(254)}`])
      expect(() => askedAccess([`repository:${name}:pull`])).toThrow(/names no repository/);
  });
});

describe('what is granted', () => {
  it.each<[string, string[], string]>([
    ['repository:team/app:pull', ['registry:pull:team/app'], 'repository:team/app:pull'],
    ['repository:team/app:pull', ['registry:pull:team/*'], 'repository:team/app:pull'],
    ['repository:team/app:pull', ['registry:push:team/app'], 'repository:team/app:pull'],
    ['repository:team/app:push,pull', ['registry:push:*'], 'repository:team/app:pull,push'],
    ['repository:team/app:pull,push', ['registry:pull:team/app'], 'repository:team/app:pull'],
    ['repository:team/app:push', ['registry:push:team/app'], 'repository:team/app:push'],
    ['repository:team/app:delete', ['registry:delete:team/app'], 'repository:team/app:delete'],
    ['repository:team/app:delete', ['registry:push:team/app'], ''],
    ['repository:team/app:pull', ['registry:delete:team/app'], ''],
    ['repository:team/app:*', ['registry:pull:team/app'], 'repository:team/app:pull'],
    ['repository:team/app:*', ['registry:push:team/app', 'registry:delete:*'], 'repository:team/app:pull,push,delete'],
    ['repository:team/app:*', ['*'], 'repository:team/app:pull,push,delete'],
    ['repository:team/app:other', ['*'], ''],
    ['repository:team/app2:pull', ['registry:pull:team/app'], ''],
    ['repository:team/app:pull', ['registry:pull:team/app2', 'registry:pull:team/', 'registry:pull:team'], ''],
    ['repository:a:pull repository:b:pull', ['registry:pull:b'], 'repository:b:pull'],
    ['registry:catalog:*', ['registry:catalog'], 'registry:catalog:*'],
    ['registry:catalog:*', ['registry:pull:*', 'registry:push:*'], ''],
    ['repository:catalog:pull', ['registry:catalog'], ''],
  ])('75: %s to who holds %j', (asked, held, expected) => expect(inScopes(granted([asked], held))).toBe(expected));

  it('never more than is held, nor than was asked for', () => {
    const name = fc.constantFrom('a', 'ab', 'a/b', 'a/c', 'b');
    const action = fc.constantFrom('pull', 'push', 'delete', '*', 'x');
    const asked = fc.tuple(name, fc.uniqueArray(action, { minLength: 1 })).map(([one, actions]) => `repository:${one}:${actions}`);
    const held = fc
      .tuple(fc.constantFrom('pull', 'push', 'delete'), name, fc.constantFrom('', '*'))
      .map(([a, n, star]) => `registry:${a}:${n}${star}`);
    fc.assert(
      fc.property(fc.array(asked), fc.array(held), (scopes, holds) => {
        for (const { name, actions } of granted(scopes, holds)) {
          const wished = scopes.filter((scope) => scope.startsWith(`repository:${name}:`)).join();
          for (const one of actions) {
            const enough = [`registry:${one}:${name}`, ...(one === 'pull' ? [`registry:push:${name}`] : [])];
            expect(enough.some((scope) => holdsScope(holds, scope))).toBe(true);
            expect(wished.includes(one) || wished.includes('*')).toBe(true);
          }
        }
      }),
    );
  });

  it('is no more than a header carries', () => {
    const scopes = Array.from({ length: 16 }, (_, n) => `repository:${'x'.repeat(240)}${n}:pull`);
    expect(() => granted(scopes, ['*'])).toThrow('scope: no token holds so much; ask for fewer repositories at once');
    expect(granted(scopes, [])).toEqual([]);
  });
});
