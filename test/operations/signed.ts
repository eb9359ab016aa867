import { type BlobPermit, signedPath } from '../../src/service/artifacts/blobs/signed-url.js';
import { Keys } from '../../src/service/keys.js';
import { callOf } from './artifacts.js';
import { type Line, unchanged } from './line.js';
import type { Call, Operation } from './operation.js';
import type { World } from './world.js';

const of = ({ route }: Line, place: string) => (route.operation.parameters ?? []).filter((one) => one.in === place).map(({ name }) => name);

/** Whether the URL itself is what permits the call. */
export function isSigned(line: Line): boolean {
  return of(line, 'query').includes('signature');
}

/** Each part of the URL is changed and left out in turn; whoever sends it, also with credentials for everything, is refused. */
export async function expectSigned(line: Line, one: Operation, world: World): Promise<void> {
  const call = await one.arrange(world);
  const { params = {}, query = {} } = call;
  expect(Object.keys(query).sort()).toEqual(of(line, 'query').sort());
  const forged: Call[] = [
    ...of(line, 'path').map((name) => ({ ...call, params: { ...params, [name]: flipped(params[name]) } })),
    ...Object.keys(query).flatMap((name) =>
      [flipped(query[name]), undefined].map((value) => ({ ...call, query: { ...query, [name]: value } })),
    ),
  ];
  await unchanged(world, async () => {
    for (const api of [world.root, world.root.as()]) {
      for (const sent of forged) expect(await line.refuse(api, sent, 'InsufficientScopes')).toContain('not as this service signed it');
    }
  });
}

/** A call as the service signs it, also of what it would not sign. */
export function signedCall({ test, root }: World, permit: BlobPermit) {
  return callOf(root.url + signedPath(test.service.app.get(Keys).blobs, permit));
}

/** Another value of the same form. */
function flipped(value = ''): string {
  return (value.startsWith('1') ? '2' : '1') + value.slice(1);
}
