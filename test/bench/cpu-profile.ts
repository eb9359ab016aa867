import { readFileSync } from 'node:fs';

interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string }; children?: number[] }[];
  samples: number[];
  timeDeltas: number[];
}

const ENGINE = ['(idle)', '(garbage collector)', '(program)'];

/**
 * Whose time it was: each sample is charged to the nearest caller that is a package, a room of ours or Node's HTTP. In microseconds,
 * the most first; only what came after `from`, a share of the profile. The owner of time in which nothing was to do is `(idle)`.
 */
export function charged(file: string, from: number): [owner: string, microseconds: number][] {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8')) as Profile;
  const owners = ownersOf(nodes);
  const times = new Map<string, number>();
  for (let index = Math.floor(from * samples.length); index < samples.length; index++) {
    const owner = owners.get(samples[index]!) ?? 'Node';
    times.set(owner, (times.get(owner) ?? 0) + timeDeltas[index]!);
  }
  return [...times].sort(([, a], [, b]) => b - a);
}

/** Parents come before their children in a profile, so what has no owner has that of its parent. */
function ownersOf(nodes: Profile['nodes']): Map<number, string> {
  const owners = new Map<number, string>();
  for (const { id, callFrame, children = [] } of nodes) {
    const owner = ownerOf(callFrame) ?? owners.get(id) ?? 'Node';
    owners.set(id, owner);
    for (const child of children) owners.set(child, owner);
  }
  return owners;
}

function ownerOf({ functionName, url }: Profile['nodes'][number]['callFrame']): string | undefined {
  if (ENGINE.includes(functionName)) return functionName;
  const [, dependency] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? [];
  if (dependency) return dependency;
  const [, room] = /\/dist\/src\/((?:service\/)?[^/]+)/.exec(url) ?? [];
  if (room) return `src/${room}`;
  return /^node:_?http/.test(url) ? 'Node, HTTP' : undefined;
}
