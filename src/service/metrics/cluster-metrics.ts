import { AggregatorRegistry, type Registry } from 'prom-client';
import type { Metrics } from './metrics-server.js';

/** In a process of a cluster: tells the first process what this registry says, whenever it asks. */
export function shareMetrics(registry: Registry): void {
  new AggregatorRegistry(); // which makes it listen
  AggregatorRegistry.setRegistries(registry);
}

/** In the first process: the sums over all others (of event loop lags the mean). Rejects when one does not answer within 5 s. */
export function clusterMetrics(): Metrics {
  const all = new AggregatorRegistry();
  return () => all.clusterMetrics();
}
