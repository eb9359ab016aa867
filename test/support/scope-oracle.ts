/*
 * What scopes and roles mean, said a second time, so that the service is not its own judge. Written from the facts of the wire protocol,
 * without a look at src/scopes and without anything of it: no order, no normal form, no index, only texts and every role tried with every
 * scope until nothing new comes.
 */

export interface Role {
  roleId: string;
  scopes: readonly string[];
}

type LeftOut = (scope: string) => boolean;

/** Stands for whatever may follow a prefix, also what nobody has thought of yet. No scope has this character. */
const ANYTHING = '\u0001';

/** More than this is a world to pass over: roles that multiply are another test's. */
const MOST = 3_000;

/** What a scope is about: `x:*` is about `x:` and anything. */
const meaning = (scope: string) => (scope.endsWith('*') ? scope.slice(0, -1) + ANYTHING : scope);

/** Of a text that may end in anything, what is certain. */
const certain = (text: string) => (text.endsWith(ANYTHING) ? text.slice(0, -1) : undefined);

/** Whether who holds these may do what the scope is about. */
export function covers(held: readonly string[], scope: string): boolean {
  const text = meaning(scope);
  return held.some((one) => one === text || (one.endsWith('*') && text.startsWith(one.slice(0, -1))));
}

/** All that holding these amounts to; undefined if that is too much to find out so. What is left out is not followed either. */
export function amountOf(scopes: readonly string[], roles: readonly Role[], leftOut: LeftOut = () => false): string[] | undefined {
  const known = new Set(scopes.filter((scope) => !leftOut(scope)));
  for (const scope of known) {
    for (const role of roles) for (const granted of grantedTo(scope, role)) if (!leftOut(granted)) known.add(granted);
    if (known.size > MOST) return undefined;
  }
  return [...known];
}

function grantedTo(scope: string, { roleId, scopes }: Role): readonly string[] {
  const name = nameAssumed(meaning(scope));
  if (name === undefined) return [];
  if (!roleId.endsWith('*')) return name === roleId || roleId.startsWith(certain(name) ?? ANYTHING) ? scopes : [];
  const parameter = parameterOf(name, roleId.slice(0, -1));
  return parameter === undefined ? [] : scopes.map((one) => filledIn(one, parameter));
}

/** `as*` is about `assume:` and any name, too. */
function nameAssumed(text: string): string | undefined {
  if (text.startsWith('assume:')) return text.slice('assume:'.length);
  return 'assume:'.startsWith(certain(text) ?? ANYTHING) ? ANYTHING : undefined;
}

/** What of the name stands behind the stem of a role. */
function parameterOf(name: string, stem: string): string | undefined {
  if (name.startsWith(stem)) return name.slice(stem.length);
  return stem.startsWith(certain(name) ?? ANYTHING) ? ANYTHING : undefined;
}

/** What comes behind anything is anything: there the scope ends. */
function filledIn(scope: string, parameter: string): string {
  const at = scope.indexOf('<..>');
  if (at < 0) return scope;
  const text = scope.slice(0, at) + parameter + scope.slice(at + '<..>'.length);
  return text.includes(ANYTHING) ? `${text.slice(0, text.indexOf(ANYTHING))}*` : text;
}

/** Whether entrances may let it in: printable ASCII without what a token, a header or a list of lines would take for something else. */
export function isSpeakable(scope: string): boolean {
  return scope !== '' && [...scope].every((letter) => letter > ' ' && letter < '\x7f' && letter !== '"' && letter !== '\\');
}

/** What every run is given of itself: to be it, and its own three. */
export function givenToRun(taskId: string, runId: number): string[] {
  const own = ['reclaim-task', 'resolve-task', 'create-artifact'].map((verb) => `queue:${verb}:${taskId}/${runId}`);
  return [`assume:task-run:${taskId}/${runId}`, ...own];
}

/** Whether a scope under these two names is about being that worker, which no run may. */
export function namesWorker(scope: string, worker: string): boolean {
  return ['assume:worker-id', 'queue:worker-id'].some((name) => scope.startsWith(name) && covers([scope], `${name}:${worker}`));
}
