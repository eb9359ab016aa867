import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ObserveRequest } from '../http/http-server.js';
import type { Sql } from '../postgres/sql.js';

/** They take as long as there is nothing to do, or as their bodies are large: among the others they would say nothing. */
const UNTIMED = new Set(['claimWork', 'followEvents', 'getArtifact', 'getLatestArtifact', 'getBlob', 'putBlob']);
const SECONDS = [0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10];

/** Gauges that are called …_total, which Prometheus's own check refuses, and those they count up; nobody asks for them. */
const MISNAMED = /^nodejs_active_/;

/** What a process knows of itself. Labels are names of ours, and few: never a task or a client, and only queues that an administrator named. */
export class ProcessMetrics {
  readonly registry = new Registry();
  private readonly registers = [this.registry];
  private readonly requests = new Counter({
    name: 'leasehold_http_requests_total',
    help: 'Requests by operation and class of status; no operation: no such path',
    labelNames: ['operation', 'status'],
    registers: this.registers,
  });
  private readonly durations = new Histogram({
    name: 'leasehold_http_request_duration_seconds',
    help: 'How long requests took; without claimWork, events, and bytes of artifacts',
    labelNames: ['operation'],
    buckets: SECONDS,
    registers: this.registers,
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
    for (const { name } of this.registry.getMetricsAsArray()) if (MISNAMED.test(name)) this.registry.removeSingleMetric(name);
  }

  /** Costs 1 µs. */
  readonly observe: ObserveRequest = (operation = 'none', status, ms) => {
    this.requests.inc({ operation, status: `${Math.floor(status / 100)}xx` });
    if (!UNTIMED.has(operation)) this.durations.observe({ operation }, ms / 1000);
  };

  /** Connections of the pool, and requests that wait for one. */
  watchPools(pools: { ordinary: Sql; shared: Sql }): void {
    const gauge: Gauge = new Gauge({
      name: 'leasehold_pool_connections',
      help: 'Connections to the database that are busy or idle, and statements that wait for one',
      labelNames: ['pool', 'state'],
      registers: this.registers,
      collect: () => {
        for (const [pool, sql] of Object.entries(pools)) {
          for (const [state, number] of Object.entries(sql.connections)) gauge.set({ pool, state }, number);
        }
      },
    });
  }

  /** Numbers that only grow, each with its labels, which are asked for when somebody looks. Who counts bounds how many there are. */
  watchCounts(name: string, help: string, labelNames: readonly string[], now: () => Iterable<[Record<string, string>, number]>): void {
    const counter: Counter = new Counter({
      name,
      help,
      labelNames,
      registers: this.registers,
      collect: () => {
        counter.reset();
        for (const [labels, number] of now()) counter.inc(labels, number);
      },
    });
  }

  /** A number that is asked for when somebody looks. */
  watch(name: string, help: string, now: () => number): void {
    const gauge: Gauge = new Gauge({ name, help, registers: this.registers, collect: () => gauge.set(now()) });
  }
}
