import type { Limits, StepRun } from '../isolation.js';

/**
 * The program that a step runs is found on its own PATH by this, not by the shell, which prefers what it has itself (busybox's `ls`, `sh`,
 * `exit`). It gets the name that it was called by. Its own variables have names that no task may set.
 */
const RUN = `(
  case $1 in
    */*) leasehold_at=$1 ;;
    *)
      set -f; IFS=:; leasehold_at=
      for leasehold_in in $PATH; do
        [ -f "$leasehold_in/$1" ] || continue
        [ -x "$leasehold_in/$1" ] && leasehold_at=$leasehold_in/$1 && break
        leasehold_at=\${leasehold_at:-$leasehold_in/$1}
      done
      [ -n "$leasehold_at" ] || { printf '%s: not found\\n' "$1" >&2; exit 127; } ;;
  esac
  leasehold_name=$1; shift
  exec -a "$leasehold_name" -- "$leasehold_at" "$@"
)
exit $?`;

/**
 * The words of PID 1 of a sandbox: a static shell, so that any root will do. It sets limits, which are counted per sandbox there, tells on
 * a descriptor that the sandbox is up, and hands on how the program ended. It stays in between since PID 1 cannot be ended by a signal of
 * its own. Until the sandbox is up, standard error is not the step's.
 */
export function stepShell({ command, env, settings: { limits } }: StepRun, startedDescriptor: number): string[] {
  const begin = [
    ...limitCommands(limits),
    'echo 1000 >/proc/self/oom_score_adj',
    'exec 2>&1',
    `printf S >&${startedDescriptor}`,
    `exec ${startedDescriptor}>&-`,
  ].join(' && ');
  const strangers = ['SHLVL', 'OLDPWD', 'PATH'].filter((name) => !Object.hasOwn(env, name)); // the shell's own additions
  const run = RUN.replace('exec -a', `unset ${['IFS', ...strangers].join(' ')}; exec -a`);
  return ['/tekton/tools/busybox', 'sh', '-c', `${begin} || exit 125\n${run}`, 'step', ...command];
}

/** In blocks of 512 bytes, and kibibytes. */
function limitCommands({ processes, openFiles, fileSize, memory }: Limits): string[] {
  return [
    `ulimit -u ${processes}`,
    `ulimit -n ${openFiles}`,
    'ulimit -c 0',
    `ulimit -f ${Math.ceil(fileSize / 512)}`,
    ...(memory > 0 ? [`ulimit -d ${Math.ceil(memory / 1024)}`] : []),
  ];
}
