import type { StepRun } from '../isolation.js';
import { containersConfig } from '../port/containers-config.js';
import { hostsLines } from '../port/proxy-names.js';
import type { RootEntry } from './rootfs.js';

/** A file of a sandbox's own. */
export interface OwnFile {
  at: string;
  content: string;
  /** As chmod has it. Absent: it is put over one that the root has, and that cannot be written to. */
  mode?: string;
}

const HOSTS = '127.0.0.1 localhost step\n::1 localhost\n';

/** What a step is told of the system it runs on, where that is not a root of its own; and names of the proxy. */
const ETC: readonly [name: string, content: string][] = [
  ['passwd', 'root:x:0:0:root:/:/bin/sh\nstep:x:1000:1000:step:/tekton/home:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n'],
  ['group', 'root:x:0:\nstep:x:1000:\nnogroup:x:65534:\n'],
  ['hostname', 'step\n'],
  ['nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n'],
];

/** Files of which each sandbox has its own. */
export const OWN_ETC = [...ETC.map(([name]) => `/etc/${name}`), '/etc/hosts'];

/** Another root has its own, but for the names of the proxy: they are in its /etc/hosts, where it has one. */
export function etcFiles({ settings, proxyNames }: StepRun, root: readonly RootEntry[]): OwnFile[] {
  const hosts = { at: '/etc/hosts', content: `${HOSTS}${proxyNames ? hostsLines(proxyNames) : ''}` };
  if (settings.rootfs === '/')
    return [...ETC.map(([name, content]) => ({ at: `/etc/${name}`, content, mode: '0444' })), { ...hosts, mode: '0444' }];
  return proxyNames && root.some((entry) => 'hosts' in entry) ? [hosts] : [];
}

/** The step may change them: they are for its own programs. */
export function homeFiles({ proxyNames = [] }: StepRun): OwnFile[] {
  return containersConfig(proxyNames).map(([name, content]) => ({ at: `/tekton/home/.config/containers/${name}`, content, mode: '0644' }));
}

/** Options of bwrap; the descriptors of the contents follow one another. */
export function fileOptions(files: readonly OwnFile[], firstDescriptor: number): string[] {
  return files.flatMap(({ at, mode }, index) => {
    const descriptor = String(firstDescriptor + index);
    return mode === undefined ? ['--ro-bind-data', descriptor, at] : ['--perms', mode, '--file', descriptor, at];
  });
}
