import type { ConfiguredRegistry, RegistryCredential } from '../../config/registries.js';
import { RegistryAuthority, scopesOfRun } from './registry-authority.js';

const registry = (credential: RegistryCredential): ConfiguredRegistry => ({
  ...{ name: 'registry.test', origin: 'https://registry.test', credentials: [{ prefix: '', credential }] },
  ...{ trustedRealms: [], redirects: [], widen: false },
});

it('75: a run that lacks something is told by the scopes of its task, and not by those of the registry', () => {
  const missing = (...scopes: string[]) => scopesOfRun(registry('run'), scopes);
  expect(missing('repository:team/app:pull')).toEqual(['registry:pull:team/app']);
  expect(missing('repository:team/app:pull,push')).toEqual(['registry:push:team/app']);
  expect(missing('repository:team/app:pull,push', 'repository:base:pull')).toEqual(['registry:push:team/app', 'registry:pull:base']);
  expect(missing('repository:team/app:delete', 'registry:catalog:*')).toEqual(['registry:delete:team/app', 'registry:catalog']);
});

it('where it is asked as somebody else, scopes of the task would not help', () => {
  for (const credential of ['none', { kind: 'refresh', token: 'x' }] as const)
    expect(scopesOfRun(registry(credential), ['repository:team/app:pull'])).toEqual([]);
});

it('what our token service grants is no leave to use the credentials of an operator', () => {
  const operators = registry({ kind: 'refresh', token: 'x' });
  const required = { repository: 'team/app', scopes: ['repository:team/app:pull'] };
  const may = (...held: string[]) => new RegistryAuthority(held).allows(operators, required);
  expect(
    ['registry:*', 'registry:pull:*', 'registry:pull:registry.test/*', 'registry-access:pull:registry.tes'].filter((held) => may(held)),
  ).toEqual([]);
  expect([may('registry-access:pull:registry.test/team/*'), may('registry-access:push:registry.test/team/app')]).toEqual([true, true]);
});
