import { readdirSync } from 'node:fs';
import path from 'node:path';
import { documentedRoutes, promisesOf, serviceOf } from '../support/contract.js';
import { startTestService, type TestService } from '../support/test-service.js';
import { changed, Line, unchanged } from './line.js';
import type { Call, Operation, Variant } from './operation.js';
import { expectPages } from './pages.js';
import { expectNoOracle, expectScopes, expectStrangersRefused } from './scopes.js';
import { expectSigned, isSigned } from './signed.js';
import { expectUnreadableRefused, MALFORMED } from './unreadable.js';
import { AUDIENCE, World } from './world.js';

/** No test can provoke it. */
const NEVER_SEEN = '500 InternalServerError';
/** overload.test.ts shows it once for all. */
const WHEN_FULL = '503 ServiceUnavailable';
/** http.test.ts shows it once for all that read a body as JSON, which are those that refuse one that is none. */
const SEEN_ELSEWHERE = '413 InputTooLarge';

/** Tests every operation of these services, as test/operations/<service>/<operationId>.ts describe them, on one service. */
export async function testOperations(...services: string[]): Promise<void> {
  let test: TestService;
  beforeAll(async () => {
    test = await startTestService({ sweepInterval: 600, claimPoll: 0, signatureAudience: AUDIENCE });
  });
  afterAll(() => test.close());

  for (const service of services) {
    const routes = documentedRoutes.filter((route) => serviceOf(route) === service);
    const files = await operationsOf(service);

    it(`${service}: each operation of openapi.yaml has a file, and each file an operation`, () => {
      expect([...files.keys()].sort()).toEqual(routes.map(({ operation }) => operation.operationId).sort());
    });

    for (const route of routes) {
      const one = files.get(route.operation.operationId);
      if (one) describe(route.operation.operationId, () => testOperation(new Line(route), one, () => test));
    }
  }
}

/** These are parts of the queue, which answers for them. */
const PARTS = ['artifacts', 'object'];

/** Those of a service by their names; what every service has is described once. */
export async function operationsOf(service: string): Promise<Map<string, Operation>> {
  const { everyService } = await import('./every-service.js');
  const always = Object.entries(PARTS.includes(service) ? {} : everyService).map(
    ([name, one]) => [service.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase()) + name, one] as const,
  );
  const files = new Map<string, Operation>(always);
  // one after another: jest loads no two modules at once
  for (const name of namesIn(service)) files.set(name, (await import(`./${service}/${name}.js`)).default);
  return files;
}

function namesIn(service: string): string[] {
  try {
    return readdirSync(path.join('test/operations', service)).map((file) => path.basename(file, '.ts'));
  } catch {
    return []; // a service that has nothing but what every service has
  }
}

function testOperation(line: Line, one: Operation, testService: () => TestService): void {
  let world: World;
  beforeAll(() => {
    world = new World(testService());
  });
  const { scopes, unknown, pages, also = {}, refusals = {} } = one;
  const callOf = async (variant: Variant<Call>): Promise<{ call: Call; sent: Call }> => {
    const call = await one.arrange(world);
    await variant.before?.(call, world);
    return { call, sent: await changed(call, variant.call ?? {}, world) };
  };

  it('leaves out nothing that openapi.yaml makes worth a check', async () => {
    const { 'x-required-scopes': required, parameters = [] } = line.route.operation;
    const inPages = parameters.some(({ name }) => name === 'continuationToken');
    expect({ scopes: scopes !== undefined, pages: pages !== undefined }).toEqual({ scopes: required !== undefined, pages: inPages });
    const alternatives = (required as { AnyOf?: unknown[] } | undefined)?.AnyOf ?? [];
    if (scopes) expect(scopes(await one.arrange(world)).length).toBeGreaterThanOrEqual(alternatives.length);
  });

  if (scopes) {
    it('serves whoever has its scopes, and needs each of them', () => expectScopes(line, { ...one, scopes }, world));
    it('refuses strangers, forgers and those whose time is over', () => expectStrangersRefused(line, one, world));
  } else {
    it('serves anybody', async () => {
      const call = await one.arrange(world);
      await one.check(await line.succeed(world.root.as(), call), call, world);
    });
  }
  if (isSigned(line)) it('serves the URL as it was signed, and no other', () => expectSigned(line, one, world));
  if (unknown) it('finds nothing where nothing is, and tells only who may know', () => expectNoOracle(line, { ...one, unknown }, world));
  it('refuses what it cannot read, by name', () => expectUnreadableRefused(line, one, world));
  if (pages) it('comes in pages that add up', () => expectPages(line, { ...one, ...pages }, world));

  for (const [what, success] of Object.entries(also)) {
    it(`also: ${what}`, async () => {
      const { call, sent } = await callOf(success);
      await success.check(await line.succeed(world.root, sent), { ...call, ...sent }, world);
    });
  }

  for (const [what, { code, says, after, ...refusal }] of Object.entries(refusals)) {
    it(`refuses: ${what}`, async () => {
      const { sent } = await callOf(refusal);
      try {
        await unchanged(world, async () => expect(await line.refuse(world.root, sent, code)).toMatch(says));
      } finally {
        await after?.(world);
      }
    });
  }

  it('was seen to answer all that openapi.yaml promises', () => {
    const all = promisesOf(line.route);
    const elsewhere = all.includes(MALFORMED) ? [SEEN_ELSEWHERE] : [];
    const promised = all.filter((promise) => ![NEVER_SEEN, WHEN_FULL, ...elsewhere].includes(promise));
    expect(promised.filter((promise) => !line.seen.has(promise))).toEqual([]);
  });
}
