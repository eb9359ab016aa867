import { existsSync, readFileSync } from 'node:fs';

/** What hosts are known to keep sandboxes from being made by, and what to do about it. */
const KNOWN: readonly [file: string, value: RegExp, fix: string][] = [
  ['/proc/sys/user/max_user_namespaces', /^0$/, 'user namespaces are switched off: sysctl user.max_user_namespaces=10000'],
  ['/proc/sys/kernel/unprivileged_userns_clone', /^0$/, 'user namespaces are switched off: sysctl kernel.unprivileged_userns_clone=1'],
  [
    '/proc/sys/kernel/apparmor_restrict_unprivileged_userns',
    /^1$/,
    'AppArmor restricts user namespaces (Ubuntu does): give /usr/bin/bwrap and /usr/bin/unshare a profile with `userns,`, or ' +
      'sysctl kernel.apparmor_restrict_unprivileged_userns=0',
  ],
];
const IN_CONTAINER =
  'a container must allow unshare and mount: --security-opt seccomp=unconfined, apparmor=unconfined and systempaths=unconfined';

/** The most likely reason why a sandbox cannot be made here, with its fix. */
export function sandboxHint(): string {
  const fixes = KNOWN.filter(([file, value]) => value.test(settingIn(file))).map(([, , fix]) => fix);
  if (existsSync('/.dockerenv') || existsSync('/run/.containerenv')) fixes.push(IN_CONTAINER);
  return fixes.join('; ') || 'try `unshare --user --map-root-user true` and `bwrap --unshare-user --ro-bind / / true` as this user';
}

function settingIn(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}
