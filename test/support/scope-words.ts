import type { SeededRandom } from './seeded-random.js';

/*
 * Random scopes and roles, of a few short parts, so that they meet: what begins like another, ends where another goes on, or is all but the
 * same. With everything in them that an entrance lets in and somebody could take for something else.
 */

const PARTS = ['a', 'a', 'b', 'ab', 'a/', 'b:', '/', 'c', '%2F', '$&', "'", '~', ',', '=', '+', '..', '#', '?', '<', '*', '**', '<..>'];
const HEADS = ['x:', 'x:', 'x:', 'y', '', 'assume:', 'assume:', 'assume:', 'auth:exchange-token:'];
const WIDE = [
  '*',
  'a*',
  'assum*',
  'assume*',
  'assume:*',
  'x:*',
  'x*',
  'assume:task-run:*',
  'assume:worker-id:*',
  'queue:*',
  'queue:worker-id*',
];
const WORKERS = ['g/w', 'g/w', 'g/*', 'g/w*', 'g/wa', 'g/', '*', 'h/w', ''];

/** What no entrance lets in. */
export const UNSPEAKABLE = [
  ...['', ' ', 'x:a b', 'x:a x:b', 'x:a assume:a', ' x:a', 'x:a ', 'x:"', 'x:a"b', 'x:\\', 'x:a\nx:b', 'x:a\r', 'x:a\tb'],
  ...['x:ä', 'x:\u00a0', 'x:\u2028', 'x:\u{1f600}', 'x:\x7f', 'x:\u0430', 'x:\uff0a', 'x:\ud800'],
];

export class ScopeWords {
  constructor(private readonly random: SeededRandom) {}

  name(most = 3): string {
    return this.random.list(1, most, () => this.random.pick(PARTS)).join('');
  }

  /** Any that an entrance lets in. */
  scope(): string {
    const { random } = this;
    if (random.chance(0.04)) return random.pick(WIDE);
    if (random.chance(0.06)) return random.pick(['assume:worker-id:', 'queue:worker-id:']) + random.pick(WORKERS);
    const star = random.chance(0.3) ? '*' : '';
    return random.pick(HEADS) + this.name() + star;
  }

  roleId(): string {
    const { random } = this;
    if (random.chance(0.12)) return random.pick(['worker-id:*', 'task-run:*', 'worker-id:g/w', 'anonymous', 'a*', '*']);
    return this.name() + (random.chance(0.5) ? '*' : '');
  }

  /** One that a role grants: with a place for the parameter, or without. */
  granted(): string {
    const { random } = this;
    if (random.chance(0.5)) return this.scope();
    const [before, after] = [0.4, 0.4].map((chance) => (random.chance(chance) ? this.name(2) : ''));
    return `${random.pick(HEADS)}${before}<..>${after}${random.chance(0.1) ? '*' : ''}`;
  }

  /** One that assumes some of these roles: by name, by what a pattern matches, or by a prefix. */
  assuming(roleIds: readonly string[]): string {
    const { random } = this;
    if (roleIds.length === 0) return this.scope();
    const roleId = random.pick(roleIds);
    if (random.chance(0.2)) return `assume:${roleId.slice(0, random.int(roleId.length + 1))}*`;
    return `assume:${roleId.replace(/\*$/, () => this.name(2))}${random.chance(0.15) ? '*' : ''}`;
  }

  /** One that is no more than the given one. */
  within(scope: string): string {
    const { random } = this;
    if (!scope.endsWith('*') || random.chance(0.3)) return scope;
    return scope.slice(0, -1) + (random.chance(0.7) ? this.name(2) : '') + (random.chance(0.3) ? '*' : '');
  }

  /** One nearly like the given one, on this side of the boundary or on the other. */
  near(scope: string): string {
    const bare = scope.replace(/\*$/, '');
    const near = [`${bare}*`, bare, `${bare}a`, `${bare}/`, `${bare}/*`, `${scope}*`, bare.slice(0, -1), `${bare.slice(0, -1)}*`];
    return this.random.pick(
      [...near, `${bare}<..>`, bare.toUpperCase(), bare.replaceAll('/', '%2F'), bare.replaceAll('%2F', '/')].filter(Boolean),
    );
  }
}
