import { issueTemporaryCredentials } from '../../src/credentials/certificate.js';
import type { Api } from '../support/api.js';
import { type Line, unchanged } from './line.js';
import type { Call, Operation } from './operation.js';
import type { World } from './world.js';

type Guarded = Operation & Required<Pick<Operation, 'scopes'>>;

/** What looks like a scope and does not satisfy it: longer, shorter, a prefix without its star, with somebody else's part. */
function nearMisses(scope: string): string[] {
  const prefix = scope.replace(/[^:/#]+$/, '');
  const cutOff = [scope.slice(0, -1), prefix, prefix.slice(0, -1)].filter((one) => one !== '');
  const parts = scope.split(/(?<=[:/#])/);
  const others = parts.map((part, index) => parts.with(index, part.replace(/^[^:/#]+/, 'other')).join(''));
  return [`${scope}x`, `${scope}x*`, `${prefix}other*`, ...cutOff, ...others].filter((one) => one !== scope);
}

/** Each alternative is enough, and none of its scopes can be done without. */
export async function expectScopes(line: Line, one: Guarded, world: World): Promise<void> {
  const alternatives = one.scopes(await one.arrange(world)).length;
  for (let index = 0; index < alternatives; index++) {
    const call = await one.arrange(world, index);
    const needed = one.scopes(call)[index] ?? [];
    const knowing = one.mayKnow ? [one.mayKnow(call)] : [];
    const without = (scope: string) => needed.filter((other) => other !== scope);
    const lacking = await Promise.all(needed.map((scope) => clientOf(world, [...without(scope), ...nearMisses(scope), ...knowing])));
    const enough = await clientOf(world, needed);
    await unchanged(world, async () => {
      for (const [at, scope] of needed.entries()) await expectMissing(line, lacking[at]!, call, scope, without(scope));
    });
    await one.check(await line.succeed(enough, call), call, world);
  }
}

function clientOf(world: World, scopes: string[]): Promise<Api> {
  return world.test.client(...new Set(scopes));
}

async function expectMissing(line: Line, api: Api, call: Call, scope: string, others: string[]): Promise<void> {
  const [missing] = (await line.refuse(api, call, 'InsufficientScopes')).split('Required:');
  expect(missing).toContain(`"${scope}"`);
  for (const other of others) expect(missing).not.toContain(`"${other}"`);
}

/** Nobody, somebody with other scopes: 403. A forged signature, credentials that have ended, another scheme: 401. */
export async function expectStrangersRefused(line: Line, one: Operation, world: World): Promise<void> {
  const call = await one.arrange(world);
  const { root } = world;
  const issuer = root.credentials!;
  const [start, expiry] = [Date.now() - 3_600_000, Date.now() - 301_000];
  const ended = issueTemporaryCredentials({ issuer, scopes: ['*'], start, expiry });
  const stranger = await clientOf(world, ['irrelevant']);
  await unchanged(world, async () => {
    for (const api of [root.as(), stranger]) await line.refuse(api, call, 'InsufficientScopes');
    for (const credentials of [{ ...issuer, accessToken: 'x'.repeat(44) }, ended]) {
      await line.refuse(root.as(credentials), call, 'AuthenticationFailed');
    }
    await line.refuse(root, call, 'AuthenticationFailed', { authorization: 'Basic cm9vdDpyb290' });
  });
}

/** 404 for who may know; for others, nothing tells what exists from what does not. */
export async function expectNoOracle(line: Line, one: Operation & Required<Pick<Operation, 'unknown'>>, world: World): Promise<void> {
  const call = await one.arrange(world);
  const unknown = one.unknown(call);
  const nowhere = { ...call, params: { ...call.params, ...unknown } };
  const knowing = one.mayKnow ? [one.mayKnow(nowhere)] : (one.scopes?.(nowhere).flat() ?? []);
  const [knower, stranger] = await Promise.all([clientOf(world, knowing), clientOf(world, ['irrelevant'])]);
  const told = async ({ params = {}, ...sent }: Call) => {
    const message = await line.refuse(stranger, { ...sent, params }, 'InsufficientScopes');
    return Object.keys(unknown).reduce((text, name) => text.replaceAll(params[name] ?? '', `<${name}>`), message);
  };
  await unchanged(world, async () => {
    await line.refuse(knower, nowhere, 'ResourceNotFound');
    expect(await told(nowhere)).toBe(await told(call));
  });
}
