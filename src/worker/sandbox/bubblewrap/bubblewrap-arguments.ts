import type { StepRun } from '../isolation.js';
import { etcFiles, fileOptions, homeFiles, OWN_ETC } from './own-files.js';
import type { RootEntry } from './rootfs.js';

/** What bwrap is told, and what it is to read from descriptors that follow one another. */
export interface BubblewrapArguments {
  options: string[];
  /** Contents; the first is of the descriptor that was given. */
  files: string[];
  /** Contents that may not be on a disk; the first is of the descriptor after the last one of the files. */
  secrets: string[];
}

interface Where {
  /** Where it finds the first of the contents. */
  firstDescriptor: number;
  /** It is started in the network namespace that the step is to have. */
  isInNamespace?: boolean;
}

/** All of it is named: `--unshare-all` would do without a user namespace where there is none. */
const ALONE = [
  ...['--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-uts', '--unshare-cgroup', '--disable-userns'],
  ...['--uid', '1000', '--gid', '1000', '--hostname', 'step', '--cap-drop', 'ALL'],
  ...['--die-with-parent', '--new-session', '--as-pid-1'],
];

/**
 * The options of bwrap for a step, in the order in which it does what they say. What lies below another thing comes after it; what is
 * written once is made read-only last.
 */
export function bubblewrapArguments(
  step: StepRun,
  root: readonly RootEntry[],
  { firstDescriptor, isInNamespace }: Where,
): BubblewrapArguments {
  const [etc, home] = [etcFiles(step, root), homeFiles(step)];
  const afterEtc = firstDescriptor + etc.length;
  const nothing = afterEtc + home.length;
  const secrets = Object.entries(step.secretFiles);
  const options = [
    ...ALONE,
    ...(step.network === 'host' || isInNamespace ? [] : ['--unshare-net']),
    ...rootOptions(step, root),
    ...fileOptions(etc, firstDescriptor),
    ...['--proc', '/proc', '--ro-bind-data', String(nothing), '/proc/cmdline'], // it tells how the host was started
    ...systemOptions(step),
    ...tektonOptions(step),
    ...fileOptions(home, afterEtc),
    ...secrets.flatMap(([name], index) => secretOptions(name, nothing + 1 + index)),
    ...workspaceOptions(step),
    ...['--remount-ro', '/tekton', '--remount-ro', '/dev', '--remount-ro', '/'],
    ...['--chdir', step.workspace === 'none' ? '/tekton/home' : '/workspace'],
  ];
  // they are parted by NUL, so that one with a NUL in it would be two
  if (options.some((option) => option.includes('\0'))) throw new TypeError('A path of the sandbox has a NUL in it');
  return { options, files: [...[...etc, ...home].map(({ content }) => content), ''], secrets: secrets.map(([, secret]) => secret) };
}

function rootOptions({ network }: StepRun, root: readonly RootEntry[]): string[] {
  return root.flatMap((entry) => {
    if ('hosts' in entry) return [];
    if ('link' in entry) return ['--symlink', entry.link, entry.at];
    return entry.onlyWithNetwork && network !== 'host' ? [] : ['--ro-bind', entry.from, entry.at];
  });
}

function systemOptions({ settings: { limits, readable } }: StepRun): string[] {
  return [
    ...['--dev', '/dev', '--size', String(limits.shm), '--perms', '1777', '--tmpfs', '/dev/shm'],
    ...['--size', String(limits.tmp), '--perms', '1777', '--tmpfs', '/tmp'],
    ...readable.flatMap(readableOptions),
  ];
}

/** With all that is below them; and places of which the sandbox has its own, where something may be added. */
const OWN = /^\/((proc|dev|sys|tekton|workspace)(\/|$)|(tmp|etc)$)/;

/** What would be put over the sandbox's own places would undo them: a step would see the host's /tmp, say. */
function readableOptions(named: string): string[] {
  const directory = named.replace(/\/$/, '');
  const refuse = (why: string) => new TypeError(`${JSON.stringify(named)} cannot be shown to steps: ${why}`);
  if (!directory.startsWith('/') || /\/\.{0,2}(\/|$)/.test(directory))
    throw refuse('name a directory other than / by its full path, without //, . or ..');
  if (OWN.test(directory) || OWN_ETC.includes(directory))
    throw refuse('it is one that each sandbox has of its own; take it out of sandbox.readable');
  return ['--ro-bind', directory, directory];
}

/** Secrets are in the memory that /tekton itself is, which none can write to once it is complete. */
function tektonOptions({ places, network, settings: { limits } }: StepRun): string[] {
  const shown = [places.tools, places.downward, places.steps, places.scripts, places.run];
  const names = ['tools', 'downward', 'steps', 'scripts', 'run'];
  return [
    ...['--size', String(limits.creds), '--tmpfs', '/tekton', '--perms', '0700', '--dir', '/tekton/creds'],
    ...names.flatMap((name, index) => ['--ro-bind', shown[index]!, `/tekton/${name}`]),
    ...['--bind', places.results, '/tekton/results'],
    ...['--size', String(limits.home), '--perms', '0700', '--tmpfs', '/tekton/home'],
    ...(network === 'proxy' && places.proxySocket ? ['--ro-bind', places.proxySocket, '/tekton/proxy.sock'] : []),
  ];
}

function workspaceOptions({ workspace, places }: StepRun): string[] {
  if (workspace === 'none') return [];
  return [workspace === 'rw' ? '--bind' : '--ro-bind', places.workspace, '/workspace'];
}

/** A name with a slash in it would be of a file elsewhere. */
function secretOptions(name: string, descriptor: number): string[] {
  if (!/^[\w.-]+$/.test(name) || /^\.\.?$/.test(name)) throw new TypeError(`${JSON.stringify(name)} is no name for a secret's file`);
  return ['--perms', '0400', '--file', String(descriptor), `/tekton/creds/${name}`];
}
