import { DockerRegistry } from '../../support/docker-registry.js';
import { type Cost, GATEWAYS, RoundTrips } from '../../support/gateways/round-trips.js';
import { STRATEGIES, type StrategyName } from '../../support/gateways/strategies.js';
import type { Row } from '../row.js';
import type { Scenario } from './scenario.js';

/**
 * What copies of images cost beyond their useful requests, through the proxy of a run and by naive clients: 401 answered by the gateway and
 * requests to the token server. Counted, not timed, so one round is enough.
 */
export const registry: Scenario = {
  name: 'registry',
  async run({ options }, progress) {
    if (!DockerRegistry.isInstalled) throw new Error('there is no registry to copy in: apt-get install docker-registry');
    const layers = options.quick ? [1, 10] : [1, 10, 50];
    await using trips = await RoundTrips.start();
    const rows: Row[] = [];
    for (const strategy of Object.keys(STRATEGIES) as StrategyName[])
      for (const concurrency of options.concurrencies) {
        progress(`${strategy}, ${concurrency} at once, ${layers.join(', ')} layers`);
        rows.push(await row(trips, strategy, concurrency, layers));
      }
    return rows;
  },
};

async function row(trips: RoundTrips, strategy: StrategyName, concurrency: number, layers: readonly number[]): Promise<Row> {
  const columns: Record<string, string> = {};
  const all: Cost[] = [];
  for (const gateway of GATEWAYS) {
    const costs: Cost[] = [];
    for (const count of layers) costs.push(await trips.cost({ gateway, strategy, concurrency, layers: count }));
    columns[`${gateway}, N = ${layers.join(' · ')}`] = costs.map(told).join(' · ');
    all.push(...costs);
  }
  const leaks = all.reduce((sum, cost) => sum + cost.leaks, 0);
  const promised = all.some(({ most }) => most !== undefined);
  return {
    scenario: 'registry',
    what: strategy,
    concurrency,
    ...columns,
    leaks,
    ...(promised && { 'beyond bounds': all.filter(isBeyond).length }),
  };
}

const told = ({ unauthorized, tokenRequests, failure }: Cost) => `${unauthorized}/${tokenRequests}${failure === undefined ? '' : ' fails'}`;

function isBeyond({ unauthorized, tokenRequests, leaks, failure, most }: Cost): boolean {
  if (!most) return false;
  return failure !== undefined || leaks > 0 || unauthorized > most.unauthorized || tokenRequests > most.tokenRequests;
}
