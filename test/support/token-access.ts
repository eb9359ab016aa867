/** Whether somebody may do that there. `registry:catalog:*` is asked as the action `*` on `catalog`. */
export type May = (repository: string, action: string) => boolean;

export interface Access {
  type: string;
  name: string;
  actions: string[];
}

const ACTIONS = ['pull', 'push', 'delete'];

/** By repositories: an exact name, or what names begin with, and a star. Who may push may pull. */
export function mayOn(rights: { pull?: string[]; push?: string[]; delete?: string[] }): May {
  const { pull = [], push = [], delete: deleting = [] } = rights;
  const of: Record<string, string[]> = { pull: [...pull, ...push], push, delete: deleting };
  return (repository, action) => (of[action] ?? []).some((pattern) => covers(pattern, repository));
}

/** What of the registry scopes that were asked for somebody has. Less is no error. */
export function accessOf(may: May, scopes: readonly string[]): Access[] {
  return scopes.flatMap((scope) => {
    const [, type = '', name = '', asked = ''] = /^([^:]+):(.+):([^:]+)$/.exec(scope) ?? [];
    const wanted = asked.split(',');
    const all = type === 'repository' && wanted.includes('*') ? ACTIONS : wanted;
    const actions = all.filter((action) => may(name, action));
    return actions.length > 0 ? [{ type, name, actions }] : [];
  });
}

const covers = (pattern: string, name: string) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern);
