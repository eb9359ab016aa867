import { DockerRegistry } from './support/docker-registry.js';
import { GATEWAYS, RoundTrips } from './support/gateways/round-trips.js';
import type { StrategyName } from './support/gateways/strategies.js';

/* What a copy of an image costs through the proxy of a run, counted before the real registry. The table of all is in docs/performance.md. */

if (!DockerRegistry.isInstalled) console.warn('SKIPPED: round trips to registries are not counted; apt-get install docker-registry');

const CONCURRENCIES = [1, 8, 32];
const LAYERS = 10;

(DockerRegistry.isInstalled ? describe : describe.skip)('a copy of ten layers', () => {
  let trips: RoundTrips;
  beforeAll(async () => {
    trips = await RoundTrips.start();
  });
  afterAll(() => trips[Symbol.asyncDispose]());

  const cost = (gateway: (typeof GATEWAYS)[number], strategy: StrategyName, concurrency: number, layers = LAYERS) =>
    trips.cost({ gateway, strategy, concurrency, layers });

  describe.each(CONCURRENCIES)('%i blobs at once', (concurrency) => {
    it('49: one 401 and a token for each key from a compliant registry, and none where the realm is configured', async () => {
      expect(await cost('compliant', 'proxy: realm unknown', concurrency)).toMatchObject({ unauthorized: 1, tokenRequests: 3, leaks: 0 });
      expect(await cost('compliant', 'proxy: realm configured', concurrency)).toMatchObject({
        unauthorized: 0,
        tokenRequests: 3,
        leaks: 0,
      });
      expect(await cost('compliant', 'proxy: widen', concurrency)).toMatchObject({ unauthorized: 1, tokenRequests: 2, leaks: 0 });
    });

    it('19: one 401 for each key where the challenge names another repository, and none where that is configured', async () => {
      const gateway = 'like Artifactory';
      expect(await cost(gateway, 'proxy: realm unknown', concurrency)).toMatchObject({
        unauthorized: 3,
        tokenRequests: 3,
        leaks: 0,
      });
      expect(await cost(gateway, 'proxy: realm configured', concurrency)).toMatchObject({ unauthorized: 0, tokenRequests: 3, leaks: 0 });
      expect(await cost(gateway, 'proxy: widen', concurrency)).toMatchObject({ unauthorized: 2, tokenRequests: 2, leaks: 0 });
    });

    it('20, 21, 22: one 401 where the challenge wants more; the wider token serves no other key, and the other realm hears nothing', async () => {
      const gateway = 'like nvcr';
      expect(await cost(gateway, 'proxy: realm unknown', concurrency)).toMatchObject({ unauthorized: 1, tokenRequests: 3, leaks: 0 });
      expect(await cost(gateway, 'proxy: realm configured', concurrency)).toMatchObject({ unauthorized: 0, tokenRequests: 3, leaks: 0 });
      expect(await cost(gateway, 'proxy: widen', concurrency)).toMatchObject({ unauthorized: 1, tokenRequests: 2, leaks: 0 });
    });

    it('keeps within what is promised, and fails nowhere', async () => {
      for (const gateway of GATEWAYS) {
        const { failure, most, ...is } = await cost(gateway, 'proxy: widen, realm configured', concurrency);
        expect([gateway, failure, is]).toEqual([gateway, undefined, { ...most, leaks: 0 }]);
      }
    });
  });

  it('the layers make no difference', async () => {
    for (const gateway of GATEWAYS) {
      const one = await cost(gateway, 'proxy: realm unknown', 8, 1);
      const { failure, ...many } = await cost(gateway, 'proxy: realm unknown', 8);
      expect([gateway, failure, many]).toEqual([gateway, undefined, one]);
    }
  });

  it('costs a naive client more with each layer, or its password', async () => {
    const requests = 4 * (LAYERS + 1) + 2;
    const without = await cost('compliant', 'naive: no cache', 1);
    expect(without).toMatchObject({ unauthorized: requests - (LAYERS + 1), leaks: 0 }); // what ends an upload bears the token of its beginning
    expect(without.tokenRequests).toBe(without.unauthorized);
    const shared = await cost('like nvcr', 'naive: one token by host', 1);
    expect(shared).toMatchObject({ leaks: 1, failure: expect.stringContaining('was answered 401') });
  });
});
