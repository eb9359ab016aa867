/** What a sandbox must keep a step from, as tests of a shell (busybox's); each is false where it holds. */
const BREACHES: Readonly<Record<string, string>> = {
  'it is not user 1000': '[ "$(id -u)" != 1000 ]',
  'it has capabilities': 'grep -Eq "^Cap(Eff|Prm|Bnd|Amb):.*[1-9a-f]" /proc/self/status',
  'programs can raise its rights': '! grep -q "^NoNewPrivs:.1$" /proc/self/status',
  'system calls are not filtered': '! grep -q "^Seccomp:.2$" /proc/self/status',
  'it can make namespaces': 'unshare -U true',
  'it can mount': 'mount -t tmpfs tmpfs /tmp',
  'it can write to /': 'touch /breach',
  'it can write to /tekton': 'touch /tekton/breach',
  'it can write to /tekton/tools': 'touch /tekton/tools/breach',
  'it can write to /tekton/run': 'touch /tekton/run/breach',
  'it can change the kernel’s settings': '[ -w /proc/sys/kernel/core_pattern ] || [ -w /proc/sysrq-trigger ]',
  'it sees /sys': '[ -e /sys ]',
  'it sees other processes': '[ "$(cat /proc/1/comm)" != busybox ] || [ -e /proc/100 ]',
  'it sees a network': '[ "$(grep -c : /proc/net/dev)" != 1 ]',
  'its processes cannot be listed (CONFIG_PROC_CHILDREN)': '[ ! -r /proc/1/task/1/children ]',
};

/** The words of a step which prints what does not hold, and nothing else. */
export function whatMustHold(): string[] {
  const tests = Object.entries(BREACHES).map(([breach, test]) => `if { ${test}; } >/dev/null 2>&1; then echo '${breach}'; fi`);
  return ['/tekton/tools/busybox', 'sh', '-c', tests.join('\n')];
}
