import type { Answer } from '../support/api.js';
import type { Line } from './line.js';
import type { Call, Operation } from './operation.js';
import type { World } from './world.js';

type Paged = Pick<Operation, 'arrange'> & { list(body: Answer['body']): unknown[] };

/** The whole, in two pages or three: no page skips or repeats, all but the last are full, only the last has no token. */
export async function expectPages(line: Line, { arrange, list }: Paged, world: World): Promise<void> {
  const call = await arrange(world);
  const ask = async (query: Record<string, string>) =>
    (await line.succeed(world.root, { ...call, query: { ...call.query, ...query } } as Call)).body;
  const whole = list(await ask({}));
  expect(whole.length).toBeGreaterThanOrEqual(3);
  const size = Math.max(2, Math.ceil(whole.length / 3));
  const seen: unknown[] = [];
  for (let token: string | undefined = ''; token !== undefined; ) {
    const page = await ask({ limit: String(size), ...(token ? { continuationToken: token } : {}) });
    expect(list(page)).toHaveLength(Math.min(size, whole.length - seen.length));
    seen.push(...list(page));
    token = page.continuationToken;
  }
  expect(seen).toEqual(whole);
  expect(await ask({ limit: String(whole.length) })).not.toHaveProperty('continuationToken');
  expect(list(await ask({ limit: '99999999999999999999' }))).toEqual(whole);
  expect(list(await ask({ limit: '0' }))).toEqual(whole.slice(0, 1)); // or nobody would ever come to the end
  const tokenOf = (key: unknown[]) => Buffer.from(JSON.stringify(key)).toString('base64url');
  const nul = tokenOf(['\0']); // which Postgres takes for no text
  const ofNoList = [tokenOf(['a', 'b', 'c']), tokenOf([1])]; // no list has keys of three parts, or numbers
  for (const continuationToken of ['x', '!', 'W10', 'e30', nul, ...ofNoList, `${seen.length}`]) {
    const sent = { ...call, query: { ...call.query, continuationToken } };
    expect(await line.refuse(world.root, sent, 'InvalidRequestArguments')).toContain('continuationToken');
  }
}
