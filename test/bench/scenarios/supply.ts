/** How many tasks a round will want: by the best round so far of the same kind, with room to spare. */
export class Supply {
  private readonly best = new Map<string, number>();

  tasksFor(kind: string, seconds: number, guess = 3_000): number {
    return Math.ceil((this.best.get(kind) ?? guess) * 1.5 * seconds) + 200;
  }

  saw(kind: string, perSecond: number): void {
    this.best.set(kind, Math.max(perSecond, this.best.get(kind) ?? 0));
  }
}
