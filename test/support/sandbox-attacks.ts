import { type Arch, REFUSED } from '../../src/worker/sandbox/seccomp/system-calls.js';
import { WORKERS_OWN } from './sandboxes.js';

/* What a step may try from within. Each is a condition of a shell which is true where the attack succeeded. */

const column = (process.arch as Arch) === 'arm64' ? 1 : 0;
const number = (call: string) => REFUSED[call]?.[column];
/** So that the pattern is not in the words of whoever looks for it. */
const pattern = (words: string) => `[${words[0]}]${words.slice(1)}`;

/** True if the kernel did anything but refuse the call, whatever its arguments. */
const notRefused = (calls: readonly string[]) => {
  const known = calls.filter((call) => number(call) !== undefined);
  const table = known.map((call) => `${call}=>${number(call)}`).join(',');
  return `! perl -e 'my %c = (${table}); for (keys %c) { my $r = syscall($c{$_}, -1, -1, -1, -1, -1); ($r == -1 && $! == 1) or die "$_: $r $!" }'`;
};

export const attacks = (taskDirectory: string): readonly [statement: string, attack: string][] => [
  ['1, 8: a file is added to /tekton/tools', 'touch /tekton/tools/0'],
  ['1, 8: the shell that is PID 1 is overwritten', 'cp /bin/true /tekton/tools/busybox'],
  ['8: the shell that is PID 1 is removed', 'rm -f /tekton/tools/busybox'],
  ['8: /tekton/tools is renamed', 'mv /tekton/tools /tekton/stools'],
  ['2, 3: another step is said to have ended', 'mkdir -p /tekton/run/1 && touch /tekton/run/1/out'],
  ['4: the step itself is said to have ended', 'touch /tekton/run/0/out'],
  ['6: its exit code is written before the end', 'echo 0 >/tekton/run/0/status/exitCode'],
  ['7: a link is put under /tekton/steps', 'ln -s /tmp /tekton/steps/0'],
  ['10: /tekton/downward is written to', 'touch /tekton/downward/ready'],
  ['11: a script is changed', 'echo true >/tekton/scripts/attacks.sh'],
  ['12: a file is made directly under /tekton', 'touch /tekton/termination'],
  ['12: a directory is made directly under /tekton', 'mkdir /tekton/more'],
  ['12: a file is made directly under /', 'touch /evil'],
  ['12: a file is made under /etc', 'touch /etc/evil'],
  ['13: a read-only mount is remounted', 'mount -o remount,bind,rw /tekton/tools'],
  ['13: /tekton is remounted', '/tekton/tools/busybox mount -o remount,rw /tekton'],
  ['13: a mount is taken away', 'umount -l /tekton/tools'],
  ['13: something is mounted over a mount', 'mount --bind /tmp /tekton/tools'],
  ['13: something is mounted in a user namespace of its own', 'unshare --user --map-root-user --mount mount -t tmpfs tmpfs /tmp'],
  ['41: other processes are seen', '[ "$(ls -d /proc/[0-9]* | wc -l)" -gt 8 ] || grep -qs node /proc/[0-9]*/comm'],
  ['42: something outside is signalled', 'perl -e "exit !kill(0, grep { !-e qq(/proc/\\$_) } 2..9999)"'],
  ['53: the worker’s environment is seen', `grep -qs '${pattern(WORKERS_OWN)}' /proc/*/environ`],
  ['54: paths of the host are in words of processes', `grep -qs '${pattern(taskDirectory)}' /proc/*/cmdline`],
  ['56: the task’s directory is seen', `[ -e ${taskDirectory} ]`],
  ['56: homes are seen', '[ -e /root ] || [ -e /home ]'],
  ['56: sockets of the host are seen', '[ -e /run ] || [ -e /var/run/docker.sock ]'],
  ['56: users of the host are seen', '[ -e /etc/shadow ] || [ "$(wc -l </etc/passwd)" -gt 3 ] || [ -e /etc/machine-id ]'],
  [
    '56: metadata of a cloud answer',
    `perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(PeerAddr => "169.254.169.254:80", Timeout => 2)'`,
  ],
  ['61: keyrings are used', notRefused(['keyctl', 'add_key', 'request_key'])],
  ['62: it has capabilities', 'grep -E -q "^Cap(Eff|Prm|Bnd|Inh|Amb):.*[1-9a-f]" /proc/self/status'],
  ['62: programs can raise its rights', '! grep -q "^NoNewPrivs:.1$" /proc/self/status'],
  ['62: it is another user than the sandbox’s', '[ "$(id -u):$(id -g):$(id -G)" != 1000:1000:1000 ]'],
  [
    '62: a setuid program raises its rights',
    'cp /usr/bin/id /workspace/id && chmod 6755 /workspace/id && [ "$(/workspace/id -u):$(/workspace/id -g)" != 1000:1000 ]',
  ],
  ['62: it becomes another user', `perl -e '$> = 0; $< = 0; exit ($> != 0 && $< != 0)'`],
  ['63: a device is made', 'mknod /tmp/null c 1 3'],
  ['63: a disk is there', '[ -n "$(find /dev -type b)" ] || [ -e /dev/mem ] || [ -e /dev/kmsg ] || [ -e /dev/fuse ]'],
  ['64: calls of no use to a step get through', notRefused(Object.keys(REFUSED))],
  ['64: a user namespace is made', 'unshare -U true'],
  ['66: settings of the kernel can be written', '[ -w /proc/sys/kernel/core_pattern ] || [ -w /proc/sysrq-trigger ]'],
  ['66: settings of the kernel are opened for writing', '(: >>/proc/sys/kernel/core_pattern)'],
  ['67: /sys is there', '[ -e /sys ]'],
  ['67: the kernel’s memory can be read', 'head -c 1 /proc/kcore | grep -q .'],
  ['67: how the host was started can be read', 'grep -q . /proc/cmdline'],
  ['68: the host’s name is told', '[ "$(hostname)$(cat /etc/hostname)$(cat /proc/sys/kernel/hostname)" != stepstepstep ]'],
  ['69: /workspace is removed', 'rmdir /workspace'],
  ['69: /workspace is replaced', 'mv /workspace /tmp/workspace'],
  ['71: /tmp takes more than it may', 'head -c 5000000 /dev/zero >/tmp/large'],
  ['71: /dev/shm takes more than it may', 'head -c 2000000 /dev/zero >/dev/shm/large'],
  ['71: the home takes more than it may', 'head -c 3000000 /dev/zero >/tekton/home/large'],
  ['71: secrets are written to', 'touch /tekton/creds/x'],
  ['76: a larger file than allowed is written', 'head -c 40000000 /dev/zero >/workspace/large'],
  ['76: more files can be opened than allowed', 'ulimit -n 257'],
  ['76: cores can be written', 'ulimit -c 1'],
  ['76: larger files can be allowed', 'ulimit -f unlimited'],
  ['76: more processes can be allowed', '/tekton/tools/busybox sh -c "ulimit -u 65"'],
  ['78: there is another network than its own', '[ "$(grep -c : /proc/net/dev)" != 1 ] || [ "$(wc -l </proc/net/route)" -gt 1 ]'],
  ['78: the machine around a virtual one is asked', `perl -e 'exit !socket(S, 40, 1, 0)'`],
];

/** A script that tries them all and prints, for each, a line that tells whether it succeeded. */
export function attackScript(tried: readonly (readonly [string, string])[]): string {
  const each = tried.map(
    ([, attack], index) => `if ( ${attack} ) >/dev/null 2>&1; then echo ${index} succeeded; else echo ${index} held; fi`,
  );
  return ['cd /workspace', ...each].join('\n');
}

/** Overwrites PID 1's code so that, woken by the end of its child, it ends with 0 at once. A process it left behind goes on writing. */
export const HIJACK = `
use POSIX;
if (fork() == 0) {
  setsid(); $SIG{$_} = 'IGNORE' for qw(TERM HUP INT);
  if (fork() == 0) { while (1) { open(my $f, '>>', '/workspace/alive'); print $f 'x'; close $f; select(undef, undef, undef, 0.01) } }
  exit 0;
}
select(undef, undef, undef, 0.05) until -s '/workspace/alive';
open(my $maps, '<', '/proc/1/maps'); my @code = map { /^(\\w+)-(\\w+) r-xp .*busybox/ ? [hex $1, hex $2] : () } <$maps>;
open(my $mem, '+<', '/proc/1/mem') or print "no memory: $!\\n";
for (@code) {
  my ($from, $to) = @$_;
  my $end = "\\xb8\\xe7\\x00\\x00\\x00\\x31\\xff\\x0f\\x05"; # exit_group(0)
  sysseek($mem, $from, 0); my $n = syswrite($mem, ("\\x90" x ($to - $from - length $end)) . $end); print "wrote $n\\n" if $n;
}
exit 42;
`;
