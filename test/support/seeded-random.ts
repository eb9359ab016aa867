/** Random choices that a seed decides: the same ones each time. For volumes at which a library that also shrinks is too slow. */
export class SeededRandom {
  private state: number;

  /** `turn` makes another sequence of the same seed, so that each turn of a long run can be played alone. */
  constructor(seed: number, turn = 0) {
    this.state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(turn + 1, 0xc2b2ae35);
    for (let warm = 0; warm < 4; warm++) this.next();
  }

  /** A whole number from 0 up to, but not with, `below`. */
  int(below: number): number {
    return Math.floor((this.next() / 2 ** 32) * below);
  }

  chance(probability: number): boolean {
    return this.next() / 2 ** 32 < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.int(from.length)]!;
  }

  /** So many of what is made; both bounds can come. */
  list<T>(least: number, most: number, make: () => T): T[] {
    return Array.from({ length: least + this.int(most - least + 1) }, make);
  }

  /** mulberry32: 32 bits of state are plenty for tests. */
  private next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
}
