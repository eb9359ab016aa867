import { covers, type Role } from './scope-oracle.js';

/** What happened in random worlds, and how often: worlds in which nothing happens prove nothing. */
export class Seen {
  readonly counts = new Map<string, number>();
  /** Issued, read back and judged. */
  credentials = 0;
  tokens = 0;

  see(...what: (string | false)[]): void {
    for (const one of what) if (one) this.counts.set(one, (this.counts.get(one) ?? 0) + 1);
  }

  /** Of what was issued: by what its source has it. */
  classify(roles: readonly Role[], source: readonly string[], issued: readonly string[]): void {
    for (const scope of issued) {
      const direct = covers(source, scope);
      this.see(!direct && 'by way of a role', direct && !source.includes(scope) && 'by a prefix', scope.endsWith('*') && 'a pattern');
      this.see(/%2F|<\.\.>|[$&'~,=+#?]/.test(scope) && 'odd characters', scope.length > 1_000 && 'very long');
      this.see(/\*./.test(scope) && 'a star in the middle', scope.endsWith('**') && 'two stars');
      if (direct) continue;
      const fixed = roles.flatMap(({ roleId, scopes }) => scopes.filter((one) => !roleId.endsWith('*') || !one.includes('<..>')));
      this.see(!covers(fixed, scope) && 'by a parameter');
    }
  }

  /** Those of which there were fewer. */
  missing(least: Record<string, number>): string[] {
    return Object.keys(least).filter((what) => (this.counts.get(what) ?? 0) < least[what]!);
  }
}
