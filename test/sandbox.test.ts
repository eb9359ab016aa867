import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { attackScript, attacks, HIJACK } from './support/sandbox-attacks.js';
import { type SandboxEnd, SandboxedTask, SETTINGS, WORKERS_OWN } from './support/sandboxes.js';
import { compiled, describeSandboxed, unprivileged } from './support/unprivileged.js';

/** Whether that is so within ten seconds. */
async function soon(is: () => boolean): Promise<boolean> {
  const until = Date.now() + 10_000;
  while (!is() && Date.now() < until) await delay(5);
  return is();
}

/** Nothing of a process that has ended meanwhile. */
function wordsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

async function listening(at: string, answer: string): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => {}).end(answer)).listen(at === '' ? { port: 0, host: '127.0.0.1' } : at);
  await once(server, 'listening');
  return server;
}

const perl = (script: string) => ['perl', '-e', script];
/** Prints what a unix socket of that name says. Some versions of Node fill up the name of an abstract one with NUL. */
const asks = (name: string) =>
  perl(`use Socket; for my $to (pack_sockaddr_un("${name}"), pack("Sa108", PF_UNIX, "${name}")) {
    socket(S, PF_UNIX, SOCK_STREAM, 0); if (connect(S, $to)) { print <S>; exit } } print "refused: $!\n"`);
const asksPort = (port: number) =>
  perl(`use IO::Socket::INET; my $s = IO::Socket::INET->new("127.0.0.1:${port}") or die "refused: $!\\n"; print <$s>`);

describeSandboxed('a step in a sandbox', () => {
  let task: SandboxedTask;
  beforeEach(() => {
    task = new SandboxedTask();
  });
  afterEach(() => task.remove());

  const one = async (...given: Parameters<SandboxedTask['step']>): Promise<SandboxEnd> => (await task.run([task.step(...given)]))[0]!;

  describe('that attacks', () => {
    let said: string[];
    beforeAll(async () => {
      const attacked = new SandboxedTask();
      const script = attacked.script('attacks.sh', attackScript(attacks(attacked.directory)));
      const [end] = await attacked.run([attacked.step(['sh', script])]);
      expect(end).toMatchObject({ exitCode: 0, survivors: [] });
      said = end!.output.split('\n').filter((line) => /^\d+ (held|succeeded)$/.test(line));
      attacked.remove();
    });

    it.each(attacks('/tmp/leasehold-sandbox-').map(([statement], index) => [statement, index] as const))('%s: no', (_, index) => {
      expect(said[index]).toBe(`${index} held`);
    });

    it('(outside, as another user alone, many of them succeed)', () => {
      const script = task.script('attacks.sh', attackScript(attacks(task.directory))).replace('/tekton', task.directory);
      const command = [
        '--user',
        '--map-root-user',
        '--mount',
        'sh',
        '-c',
        'mount -t tmpfs tmpfs /dev/shm; sh "$1"; rm -f /tmp/large',
        'sh',
        script,
      ];
      const { stdout } = spawnSync('unshare', command, { ...unprivileged, env: { PATH: process.env.PATH, WORKERS_OWN }, encoding: 'utf8' });
      const succeeded = attacks('').filter((_, index) => stdout.includes(`${index} succeeded\n`));
      expect(succeeded.length).toBeGreaterThan(20);
    });
  });

  it('19, 24: ends as its program did, or as a shell says that it could not', async () => {
    task.script('no-program', 'x');
    const commands = [
      ['sh', '-c', 'exit 3'],
      ['sh', '-c', 'kill -9 $$'],
      ['sh', '-c', 'kill -15 $$'],
      ['no-such-program'],
      ['/etc/passwd'],
      ['exit', '5'],
      [''],
    ];
    const ends = await task.run(commands.map((command) => task.step(command)));
    expect(ends.map(({ exitCode }) => exitCode)).toEqual([3, 137, 143, 127, 126, 127, 127]);
    for (const end of ends) expect([end.failure, end.survivors, typeof end.startedAt]).toEqual([undefined, [], 'string']);
    expect(ends[3]!.output).toBe('no-such-program: not found\n');
  });

  it('runs the programs of its root, not those of the shell that is PID 1, by the name they were called by', async () => {
    const [which, echo] = await task.run([
      task.step(['sh', '-c', 'readlink /proc/$$/exe; echo "$0 $*"', '-x', 'a b', '*']),
      task.step(['echo', '-n', '--', '$HOME']),
    ]);
    expect(which!.output).toMatch(/^\/usr\/bin\/(dash|bash)\n-x a b \*\n$/);
    expect(echo!.output).toBe('-- $HOME');
  });

  it('23: that could not be made is no step that failed', async () => {
    const broken = [
      { ...SETTINGS, readable: ['/not/there'] },
      { ...SETTINGS, bubblewrap: '/not/there/either' },
      { ...SETTINGS, limits: { ...SETTINGS.limits, openFiles: 1e12 } },
    ];
    const ends = await task.run(broken.map((settings) => task.step(['true'], { settings })));
    for (const end of ends) expect([end.startedAt, end.output, end.survivors]).toEqual([undefined, '', []]);
    const expected = [/^bwrap: Can't find source path \/not\/there: No such file/, /\/not\/there\/either ENOENT/, /error setting limit/];
    ends.forEach((end, index) => {
      expect(end.failure).toMatch(expected[index]!);
    });
  });

  it('23: more words than the system takes are the step’s own failure', async () => {
    const end = await one(['true', 'x'.repeat(200_000)]);
    expect([end.exitCode, end.failure, end.startedAt]).toEqual([126, undefined, undefined]);
    expect(end.output).toMatch(/more than the system takes/);
  });

  it('20, 43, 44: takes what it left in the background with it', async () => {
    const left = `setsid sh -c 'trap "" TERM HUP INT; while :; do echo x >>/workspace/alive; sleep 0.01; done' & until [ -s /workspace/alive ]; do :; done; exit 4`;
    const [end] = await task.run([task.sh(`(${left})`)]);
    expect(end).toMatchObject({ exitCode: 4, survivors: [] });
    expect(end!.took).toBeLessThan(5000);
  });

  it('21: cannot have its end told before its processes are dead, though it rules PID 1', async () => {
    const [end] = await task.run([task.step(perl(HIJACK))]);
    expect(end!.output).toMatch(/^wrote \d+$/m); // or the attack was none
    expect(end).toMatchObject({ survivors: [] });
    expect(end!.exitCode).not.toBe(42);
    expect(statSync(task.at('workspace/alive')).mtimeMs).toBeLessThanOrEqual(new Date(end!.finishedAt).getTime());
  });

  it('45: may end by itself when it is told to; with all of its processes', async () => {
    const child = `trap 'echo child asked; exit' TERM; touch /tmp/child; while :; do sleep 0.01; done`;
    const both = `(${child}) & setsid sh -c "${child.replaceAll('child', 'stranger')}" & until [ -e /tmp/child ] && [ -e /tmp/stranger ]; do sleep 0.01; done`;
    const script = `trap 'echo asked; wait; exit 7' TERM; ${both}; echo all up; while :; do sleep 0.01; done`;
    const waits = task.sh(script, { orders: [{ when: 'all up', give: 'terminate' }] });
    const ignores = task.sh(`trap '' TERM; echo up; setsid sleep 100 & while :; do sleep 0.01; done`, {
      orders: [
        { when: 'up', give: 'terminate' },
        { when: 'up', give: 'kill' },
      ],
    });
    const [asked, killed] = await task.run([waits, ignores]);
    expect(asked).toMatchObject({ exitCode: 7, survivors: [] });
    for (const word of ['child asked', 'stranger asked']) expect(asked!.output).toContain(word);
    expect(killed).toMatchObject({ exitCode: 137, survivors: [] });
    expect(killed!.took).toBeLessThan(5000);
  });

  it('47: is held to its number of processes, and all of them can be killed', async () => {
    const bomb = `$| = 1; my $n = 0; $SIG{CHLD} = 'IGNORE'; while (1) { my $p = fork(); if (!defined $p) { print "no more\\n" if !$told++; next } $p or sleep 1000; $n++ }`;
    const [end] = await task.run([task.step(perl(bomb), { orders: [{ when: 'no more', give: 'kill' }] })]);
    expect(end).toMatchObject({ exitCode: 137, survivors: [] });
  });

  it('52: harms nobody but itself by killing all that it can', async () => {
    const ends = await task.run([task.sh(`trap '' TERM; kill -TERM -1; kill -9 1; kill -9 -1; sleep 0.1; exit 9`), task.step(['true'])]);
    expect(ends.map(({ exitCode, survivors }) => [exitCode, survivors])).toEqual([
      [9, []],
      [0, []],
    ]);
  });

  it('53, 59: has the environment that it was given and nothing else', async () => {
    const env = { PATH: '/usr/bin', A: 'a b', EMPTY: '', LINES: '1\n2' };
    const ends = await task.run([task.step(['env', '-0'], { env }), task.step(['/usr/bin/env', '-0'], { env: {} })]);
    const told = ends.map(({ output }) => output.split('\0').filter(Boolean).sort());
    expect(told).toEqual([['A=a b', 'EMPTY=', 'LINES=1\n2', 'PATH=/usr/bin', 'PWD=/workspace'], ['PWD=/workspace']]);
  });

  it('55: has no descriptors but its standard input, output and error', async () => {
    const secret = openSync('/etc/hostname', 'r');
    const list = 'for my $pid ("self", 1) { for (0..1023) { my $at = readlink "/proc/$pid/fd/$_"; print "$_ $at\\n" if defined $at } }';
    const shows = task.step(perl(list));
    const [end] = await task.run([shows], [secret, secret]);
    closeSync(secret);
    const three = ['0 /dev/null', `1 ${task.at('output')}`, `2 ${task.at('output')}`];
    expect(
      end!.output
        .replace(/output-\d+/g, 'output')
        .trim()
        .split('\n'),
    ).toEqual([...three, ...three]); // PID 1 is the shell that started it
  });

  it('57, 58: has the secrets that it was given, in memory, and no other step has them', async () => {
    const shows = 'cat /tekton/creds/token; stat -c %a /tekton/creds /tekton/creds/*; grep -rs "s3[c]ret" /tmp /workspace /tekton /dev/shm';
    const [has, hasNot] = await task.run([task.sh(shows, { secretFiles: { token: 's3cret\n' } }), task.sh(shows)]);
    expect(has!.output).toBe('s3cret\n700\n400\n/tekton/creds/token:s3cret\n');
    expect(hasNot!.output).not.toContain('s3cret');
    expect(spawnSync('grep', ['-r', 's3cret', task.directory], { encoding: 'utf8' }).stdout).toBe('');
    const [refused] = await task.run([task.step(['true'], { secretFiles: { '../x': 's3cret' } })]);
    expect(refused!.failure).toContain('no name for a secret');
  });

  it('63: has few devices', async () => {
    const { output } = await one(['ls', '/dev']);
    expect(output.trim().split('\n')).toEqual('core fd full null ptmx pts random shm stderr stdin stdout tty urandom zero'.split(' '));
  });

  it('69, 70: has a workspace that it can change, or not, or none; and cannot take away', async () => {
    const script = 'touch /workspace/a; rm -rf /workspace; ls -d /workspace; pwd';
    const [rw, ro, none] = await task.run((['rw', 'ro', 'none'] as const).map((workspace) => task.sh(script, { workspace })));
    expect(rw!.output).toMatch(/\n\/workspace\n\/workspace\n$/);
    writeFileSync(task.at('workspace/kept'), '');
    expect(ro!.output).toContain("cannot touch '/workspace/a': Read-only file system");
    expect(none!.output).toMatch(/cannot access '\/workspace'.*\n\/tekton\/home\n$/);
    expect(readdirSync(task.at('workspace'))).toEqual(['kept']);
  });

  it('27: keeps what it puts into its results', async () => {
    await one(['sh', '-c', 'echo -n 1 >/tekton/results/x']);
    expect(readFileSync(task.at('results/x'), 'utf8')).toBe('1');
  });

  it('71: finds nothing of the step before in its temporary places', async () => {
    const [, after] = await task.run([task.sh('touch /tmp/x /dev/shm/x /tekton/home/x'), task.sh('ls -A /tmp /dev/shm /tekton/home')]);
    expect(after!.output).toBe('/dev/shm:\n\n/tekton/home:\n\n/tmp:\n');
  });

  it('74: can name its output as a file', async () => {
    const { output } = await one(['sh', '-c', 'echo a >/dev/stdout; echo b >/dev/stderr; echo c | tee /dev/stderr >/dev/null']);
    expect(output).toBe('a\nb\nc\n');
  });

  it('51: can be held to a size of memory, and is what the kernel takes first where memory is short', async () => {
    const settings = { ...SETTINGS, limits: { ...SETTINGS.limits, memory: 64 * 1024 * 1024 } };
    const [large, score] = await task.run([
      task.step(perl('my $x = "x" x 1e8; print "had it"'), { settings }),
      task.sh('cat /proc/self/oom_score_adj; cat /proc/1/oom_score_adj'),
    ]);
    expect(large!.output).not.toContain('had it');
    expect(score!.output).toBe('1000\n1000\n');
  });

  it('78, 79, 81, 82: reaches the proxy alone where it may, the host’s network where it may, and nothing else', async () => {
    const abstract = `\0leasehold-sandbox-${process.pid}`;
    const servers = await Promise.all([listening('', 'port'), listening(abstract, 'abstract'), listening(task.at('proxy'), 'proxy')]);
    const address = servers[0]!.address() as { port: number };
    chmodSync(task.at('proxy'), 0o666);
    const places = { ...task.places, proxySocket: task.at('proxy') };
    const asked = [asksPort(address.port), asks(abstract.replace('\0', '\\0')), asks('/tekton/proxy.sock')];
    const env = { PATH: '/usr/bin', TEKTON_HERMETIC: '0', TEKTON_RESOURCE_NAME: 'x' };
    const networks = ['none', 'proxy', 'host'] as const;
    const ends = await task.run(networks.flatMap((network) => asked.map((command) => task.step(command, { network, env, places }))));
    const spoil =
      'rm -f /tekton/proxy.sock; mv /tekton/proxy.sock /tmp; touch /tekton/proxy.sock.next; (: >/tekton/proxy.sock); grep -c : /proc/net/dev; ls /etc/resolv.conf';
    const [spoilt, still] = await task.run([
      task.sh(spoil, { network: 'proxy', places }),
      task.step(asked[2]!, { network: 'proxy', places }),
    ]);
    for (const server of servers) server.close();
    const told = ends.map(({ output }) => output.replace(/refused.*\n/, 'refused'));
    expect(told).toEqual(['refused', 'refused', 'refused', 'refused', 'refused', 'proxy', 'port', 'abstract', 'refused']);
    expect(spoilt!.output).toMatch(/^1$/m);
    expect(spoilt!.output).not.toMatch(/^\/etc\/resolv.conf$/m);
    expect(still!.output).toBe('proxy');
  });

  it('41: has another system as its root, if there is one', async () => {
    const rootfs = task.at('rootfs');
    for (const directory of ['', '/bin', '/etc', '/opt', '/sys', '/tekton']) mkdirSync(`${rootfs}${directory}`);
    copyFileSync(SETTINGS.busybox, `${rootfs}/bin/busybox`);
    for (const file of ['/etc/own', '/sys/own', '/tekton/own']) writeFileSync(`${rootfs}${file}`, '');
    spawnSync('ln', ['-s', 'busybox', `${rootfs}/bin/sh`]);
    spawnSync('ln', ['-s', 'bin', `${rootfs}/sbin`]);
    task.give();
    const script = 'ls -d /*; ls /etc; touch /bin/x /etc/x /x /opt/x; ls /tekton';
    const { output, exitCode } = await one(['sh', '-c', script], { env: { PATH: '/sbin' }, settings: { ...SETTINGS, rootfs } });
    expect(
      output
        .replace(/^touch.*\n/gm, '')
        .trim()
        .split('\n')
        .join(' '),
    ).toBe('/bin /dev /etc /opt /proc /sbin /tekton /tmp /workspace own creds downward home results run scripts steps tools');
    expect([exitCode, output.match(/Read-only file system/g)]).toEqual([0, new Array(4).fill('Read-only file system')]);
  });

  it('48: dies with its supervisor, whenever that is killed', async () => {
    const marker = `leasehold-survivor-${process.pid}`;
    const alive = () => readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && wordsOf(pid).includes(marker));
    const begun = task.at('workspace/begun');
    const [isBeingMade, hasBegun] = [() => alive().length > 0, () => existsSync(begun)];
    for (const seen of [isBeingMade, hasBegun])
      for (const later of [0, 2, 5, 10, 20, 40]) {
        const step = task.sh(`: ${marker}; setsid sleep 1000 & echo >/workspace/begun; sleep 1000`);
        const driver: ChildProcess = task.driver([step]);
        expect(await soon(seen)).toBe(true);
        await delay(later); // which moment that is differs: each of them must do
        driver.kill('SIGKILL');
        await once(driver, 'close');
        expect(await soon(() => alive().length === 0)).toBe(true);
        rmSync(begun, { force: true });
      }
  });
});

describeSandboxed('the probe', () => {
  let task: SandboxedTask;
  beforeAll(() => {
    task = new SandboxedTask();
  });
  afterAll(() => task.remove());

  /** What it says as another user, who may be given a host that has less. */
  function probe(settings: object = {}, through: readonly string[] = [], user = unprivileged): string {
    const program = compiled('test/support/probe-driver.js');
    const words = [...through, process.execPath, program, JSON.stringify({ ...SETTINGS, ...settings }), task.at('workspace')];
    const { stdout, stderr } = spawnSync(words[0]!, words.slice(1), {
      ...user,
      encoding: 'utf8',
      cwd: '/',
      env: { PATH: process.env.PATH },
    });
    return stdout.trim() + stderr;
  }
  const within = (script: string) => ['unshare', '--user', '--map-root-user', 'sh', '-c', `${script}; exec "$@"`, 'sh'];

  it('is content where sandboxes isolate, also as the root of a container', () => {
    expect([probe(), probe({}, within(':'))]).toEqual(['isolated', 'isolated']);
    expect(readdirSync(task.at('workspace'))).toEqual([]);
  });

  it('83: names what is missing, and the fix', () => {
    const fix = 'apt-get install bubblewrap busybox-static';
    expect(probe({ bubblewrap: '/not/there' })).toMatch(new RegExp(`^BWRAP_MISSING .*/not/there.*${fix}`));
    expect(probe({ busybox: '/not/there' })).toMatch(new RegExp(`^SANDBOX_BROKEN .*/not/there.*${fix}`));
    expect(probe({ busybox: process.execPath })).toMatch(new RegExp(`^SANDBOX_BROKEN .* is not static.*${fix}`));
    expect(probe({ rootfs: '/not/there' })).toMatch(/^SANDBOX_BROKEN .*ENOENT.*\/not\/there/);
    expect(probe({ readable: ['/not/there'] })).toMatch(/^SANDBOX_BROKEN .*bwrap: Can't find source path \/not\/there/);
  });

  it('83: is not content with a program that makes no sandbox', () => {
    writeFileSync(task.at('tools/sham'), '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift 2; exec /usr/bin/busybox "$@"\n', {
      mode: 0o755,
    });
    expect(probe({ bubblewrap: task.at('tools/sham') })).toMatch(/^SANDBOX_BROKEN /);
  });

  it('83: tells that user namespaces are switched off', () => {
    const said = probe({}, within('echo 0 >/proc/sys/user/max_user_namespaces'));
    expect(said).toMatch(/^SANDBOX_BROKEN .*unshare failed: No space left on device; .*sysctl user\.max_user_namespaces/);
  });

  (process.getuid?.() === 0 ? it : it.skip)('65, 83: refuses root, also where it is called otherwise', () => {
    expect(probe({}, [], {})).toMatch(/^RUNS_AS_ROOT .*run it as another user/);
    expect(probe({}, ['unshare', '--user', '--map-user=1000'], {})).toMatch(/^RUNS_AS_ROOT /);
  });
});
