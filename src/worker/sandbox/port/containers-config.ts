import { hostsOf } from './proxy-names.js';

/**
 * Files under a step's HOME by which programs that take containers/image (skopeo, podman, buildah) know that these registries speak plain HTTP here:
 * the proxy does, and goes on to the registry as its settings say. And that images need no signature of their own, as distributions have it
 * in /etc/containers, which a sandbox does not show.
 */
export function containersConfig(names: readonly string[]): readonly [name: string, content: string][] {
  if (names.length === 0) return [];
  hostsOf(names); // throws for what would be more than a name
  const registries = names.map((name) => `[[registry]]\nlocation = ${JSON.stringify(name)}\ninsecure = true\n`);
  return [
    ['registries.conf', registries.join('\n')],
    ['policy.json', '{"default":[{"type":"insecureAcceptAnything"}]}\n'],
  ];
}
