/** Milliseconds. */
export interface Percentiles {
  p50: number;
  p99: number;
}

/** How long the calls of one kind took, in milliseconds. */
export class Latencies {
  private values: number[] = [];

  async time<T>(call: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await call();
    this.add(performance.now() - start);
    return result;
  }

  add(ms: number): void {
    this.values.push(ms);
  }

  reset(): void {
    this.values = [];
  }

  summary(): Percentiles {
    const sorted = this.values.toSorted((a, b) => a - b);
    const at = (share: number) => Math.round((sorted[Math.floor(share * (sorted.length - 1))] ?? 0) * 100) / 100;
    return { p50: at(0.5), p99: at(0.99) };
  }
}
