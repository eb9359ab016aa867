import { once } from 'node:events';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as listener } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ApiRoute } from '../src/worker/proxy/api-route.js';
import { openCredentialProxy } from '../src/worker/proxy/credential-proxy.js';
import type { JobProxy } from '../src/worker/steps/job.js';
import { DockerRegistry } from './support/docker-registry.js';
import { makeImage, writeLayout } from './support/oci-layout.js';
import { attackScript } from './support/sandbox-attacks.js';
import { type SandboxEnd, SandboxedTask, SETTINGS } from './support/sandboxes.js';
import { freePort } from './support/service-process.js';
import { jobOf, processesWith, recordOf, Supervised, step, until } from './support/supervised.js';
import { ok, Tasks } from './support/tasks.js';
import { startTestService } from './support/test-service.js';
import { describeSandboxed } from './support/unprivileged.js';

/* The way from a step that has no network to the proxy of its run, by TCP and names. */

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const PORTED = { network: 'proxy', proxyUrl: true } as const;
const echo: RequestListener = (request, response) => response.end(`${request.headers.host} ${request.url}\n`);

interface Wanted extends Partial<Omit<JobProxy, 'socketPath'>> {
  serve?: RequestListener;
}

/** A task whose proxy is that; by itself it says how it was called. */
async function taskOf(steps: Parameters<typeof jobOf>[0], { names = [], outgoing = false, serve = echo }: Wanted = {}, over = {}) {
  const job = jobOf(steps, over);
  cleanUps.push(() => rmSync(job.taskDir, { recursive: true, force: true }));
  const socketPath = path.join(job.taskDir, 'api');
  await serving(createServer(serve), socketPath);
  return new Supervised({ ...job, proxy: { socketPath, names, outgoing } });
}

async function serving<T extends Server | ReturnType<typeof listener>>(server: T, at: string | number): Promise<T> {
  await once(typeof at === 'string' ? server.listen(at) : server.listen(at, '127.0.0.1'), 'listening');
  if (typeof at === 'string' && !at.startsWith('\0')) chmodSync(at, 0o666);
  cleanUps.push(() => server.close());
  return server;
}

const lines = (supervised: Supervised) => supervised.text.trim().split('\n');
const perl = (script: string) => `perl -e '${script}'`;
/** Prints what a port says at once, or why it cannot be reached. */
const asks = (address: string) =>
  perl(
    `use IO::Socket::IP; my $s = IO::Socket::IP->new(PeerAddr => "${address}", Timeout => 2) or (print "refused\\n"), exit; print <$s>, "open\\n"`,
  );

describeSandboxed('a step that asks for a port of the proxy', () => {
  it('81: calls the service by http://taskcluster, as its run', async () => {
    const test = await startTestService({ sweepInterval: 600, claimPoll: 0 });
    cleanUps.push(() => test.close());
    const tasks = new Tasks(test.root, test.database);
    const taskId = await tasks.create({ scopes: ['auth:current-scopes'] });
    const { credentials } = await ok(tasks.claimTask(taskId));
    const script = [
      'curl -sS http://taskcluster/queue/v1/ping; echo',
      'curl -sS "$TASKCLUSTER_PROXY_URL/api/auth/v1/scopes/current"; echo',
      `curl -sS -o /dev/null -w '%{http_code}\\n' -X POST "$TASKCLUSTER_PROXY_URL/queue/v1/task/${taskId}/runs/0/completed"`,
    ];
    const job = jobOf([step('ask', script.join('\n'), PORTED)]);
    cleanUps.push(() => rmSync(job.taskDir, { recursive: true }));
    const socketPath = path.join(job.taskDir, 'api');
    const routes = [new ApiRoute({ rootUrl: test.root.url, credentials: () => credentials })];
    const proxy = await openCredentialProxy({ socketPath, routes, log: () => undefined });
    cleanUps.push(() => proxy.close());
    const supervised = new Supervised({ ...job, proxy: { socketPath, names: [], outgoing: false } });
    expect(await supervised.outcome).toMatchObject({ outcome: 'succeeded' });
    const [ping, scopes, completed] = lines(supervised);
    expect(JSON.parse(ping!)).toMatchObject({ alive: true });
    expect(JSON.parse(scopes!).scopes).toContain(`queue:create-artifact:${taskId}/0`);
    expect(completed).toBe('403');
    expect(supervised.text).not.toContain(credentials.accessToken);
  });

  it('finds it by each name at port 80 and at that of the name; /etc/hosts and the environment say so', async () => {
    const names = ['registry.example.com:5000', '127.0.0.1:35000', 'Plain.example.com', '[::1]:7000'];
    const urls = [
      'taskcluster/a',
      'registry.example.com:5000/b',
      'registry.example.com/c',
      '127.0.0.1:35000/d',
      'PLAIN.example.com/e',
      '[::1]:7000/f',
    ];
    const script = [...urls.map((url) => `curl -sS http://${url}`), 'cat /etc/hosts', 'env | grep -i proxy | sort'].join('\n');
    const supervised = await taskOf([step('ask', script, PORTED)], { names });
    expect(await supervised.outcome).toMatchObject({ outcome: 'succeeded' });
    expect(lines(supervised)).toEqual([
      ...urls.map((url) => url.replace('/', ' /')),
      ...['127.0.0.1 localhost step', '::1 localhost', '127.0.0.1 taskcluster'],
      ...['127.0.0.1 registry.example.com', '127.0.0.1 plain.example.com'],
      ...['TASKCLUSTER_PROXY_URL=http://taskcluster', 'TASK_PROXY_SOCKET=/tekton/proxy.sock'],
    ]);
  });

  it('has programs call elsewhere by the proxy where it leads there, and by no proxy what is named', async () => {
    const script = 'curl -sS http://elsewhere.example.com/x; curl -sS http://registry.example.com:5000/y; curl -sS http://taskcluster/z';
    const supervised = await taskOf([step('ask', script, PORTED)], { names: ['registry.example.com:5000'], outgoing: true });
    await supervised.outcome;
    expect(lines(supervised)).toEqual([
      'elsewhere.example.com http://elsewhere.example.com/x',
      'registry.example.com:5000 /y',
      'taskcluster /z',
    ]);
  });

  it('has no other way out, and others have not even that', async () => {
    const names = ['registry.example.com:5000'];
    const script = `${asks('127.0.0.1:80')}; ${asks('127.0.0.1:5000')}; grep -c taskcluster /etc/hosts || env | grep -c TASKCLUSTER_PROXY || ls -A $HOME`;
    const steps = (['none', 'proxy'] as const).map((network) => step(network, script, { network, onError: 'continue' }));
    const supervised = await taskOf(steps, { names });
    await supervised.outcome;
    expect(lines(supervised)).toEqual(['refused', 'refused', '0', '0', 'refused', 'refused', '0', '0']);
  });

  it('76: nobody else reaches its port: not who is on its machine, and not another task', async () => {
    const port = await freePort();
    const names = [`127.0.0.1:${port}`];
    const waits = step('wait', 'curl -sS http://taskcluster/up; until [ -e /workspace/go ]; do sleep 0.01; done', PORTED);
    const one = await taskOf([waits], { names });
    await until(() => one.text.includes('taskcluster /up'));
    const socket = connect(port, '127.0.0.1');
    const [refused] = await once(socket, 'error').catch((error) => [error]);
    expect(refused).toMatchObject({ code: 'ECONNREFUSED' });
    const other = await taskOf([step('ask', asks(`127.0.0.1:${port}`)), step('own', 'curl -sS http://taskcluster/own', PORTED)]);
    await other.outcome;
    expect(lines(other)).toEqual(['refused', 'taskcluster /own']);
    writeFileSync(path.join(one.job.taskDir, 'workspace/go'), '');
    expect(await one.outcome).toMatchObject({ outcome: 'succeeded' });
  });

  it('finds nothing of the step before: neither who listens, nor the namespace, nor a port that has to wait', async () => {
    const listens = `use IO::Socket::IP; for (["127.0.0.2", 5000], ["::1", 5000], ["0.0.0.0", 7000]) { push @l, IO::Socket::IP->new(LocalHost => $_->[0], LocalPort => $_->[1], Listen => 5) or die "$@" } print "listens\\n"; fork or sleep 1000`;
    const first = `${perl(listens)}; curl -sS http://taskcluster/a; readlink /proc/self/ns/net`;
    const addresses = ['127.0.0.2:5000', '[::1]:5000', '127.0.0.1:7000'];
    const second = `${addresses.map(asks).join('; ')}; curl -sS http://taskcluster/b; readlink /proc/self/ns/net; grep -c : /proc/net/tcp`;
    const supervised = await taskOf([step('first', first, PORTED), step('second', second, PORTED)], { names: ['other:6000'] });
    expect(await supervised.outcome).toMatchObject({ outcome: 'succeeded' });
    const [said, asked, itsOwn, ...rest] = lines(supervised);
    expect([said, asked]).toEqual(['listens', 'taskcluster /a']);
    expect(rest).toEqual(['refused', 'refused', 'refused', 'taskcluster /b', expect.stringMatching(/^net:\[\d+\]$/), expect.any(String)]);
    expect(new Set([itsOwn, rest[4], readlinkSync('/proc/self/ns/net')]).size).toBe(3);
  });

  it('is held to a number of connections, and harms nobody else by more of them', async () => {
    const flood = `use IO::Socket::IP; $| = 1;
      for (1..400) { my $s = IO::Socket::IP->new(PeerAddr => "127.0.0.1:80", Timeout => 5) or next; print $s "GET /x HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"; push @s, $s }
      my $n = 0; for (@s) { my $got = <$_>; $n++ if defined $got && $got =~ /200/ } print "$n answered\\n"; @s = ();
      for (1..100) { last if system("curl -sS http://taskcluster/after") == 0; select(undef, undef, undef, 0.05) }`;
    const supervised = await taskOf([step('flood', perl(flood), PORTED)]);
    expect(await supervised.outcome).toMatchObject({ outcome: 'succeeded' });
    expect(supervised.text).toMatch(/^256 answered\n(curl.*\n)*taskcluster \/after\n$/);
  });

  it('48: leaves no forwarder behind: not when it ends, and not when its worker or its supervisor is killed', async () => {
    const forwarders = (task: Supervised) => processesWith(path.join(task.job.taskDir, 'api')).filter((pid) => pid !== process.pid);
    const waits = () => [step('wait', 'echo up; exec sleep 1000', PORTED)];
    const ends = await taskOf([step('first', 'true', PORTED), step('second', 'echo up; sleep 0.3')]);
    await until(() => ends.text.includes('up'));
    expect(forwarders(ends)).toEqual([]);
    await ends.outcome;
    for (const kill of [(task: Supervised) => task.driver.kill('SIGKILL'), (task: Supervised) => task.kill()]) {
      const task = await taskOf(waits());
      await until(() => task.text.includes('up'));
      expect(forwarders(task)).toHaveLength(1);
      kill(task);
      await until(() => forwarders(task).length === 0);
    }
  });

  it('that is stopped while its port is being opened was stopped, and nothing is left', async () => {
    const task = await taskOf([step('never', 'echo up', PORTED)]);
    await until(() => task.told.length > 0);
    task.stop({ reason: 'cancelled', cleanUp: 0 });
    const outcome = await task.outcome;
    expect([outcome.outcome, recordOf(outcome, 'never').reason]).toEqual(['stopped', 'Cancelled']);
    await until(() => processesWith(path.join(task.job.taskDir, 'api')).length === 0);
  });

  it('23: is not run where there is no port, and that is no fault of the task', async () => {
    for (const names of [['no name'], ['registry\n127.0.0.1 evil']]) {
      const task = await taskOf([step('never', 'echo up', PORTED)], { names });
      const outcome = await task.outcome;
      expect([outcome.outcome, recordOf(outcome, 'never')]).toMatchObject(['broken', { reason: 'InfrastructureError' }]);
      expect(recordOf(outcome, 'never').detail).toContain('is no name that a step could call by');
      expect(task.text).toBe('');
    }
  });

  (DockerRegistry.isInstalled && existsSync('/usr/bin/skopeo') ? it : it.skip)(
    'runs skopeo as it comes, without options and credentials',
    async () => {
      const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-registry-'));
      cleanUps.push(() => rmSync(directory, { recursive: true }));
      await using registry = await DockerRegistry.start(directory);
      const names = ['registry.example.com:5000', 'plain.example.com'];
      const script = names.map((name) => [
        `skopeo copy -q oci:/workspace/image:latest docker://${name}/team/app:1`,
        `skopeo copy -q docker://${name}/team/app:1 oci:/workspace/back-${name.length}:latest`,
        `ls /workspace/back-${name.length}/blobs/sha256 | wc -l`,
        `skopeo delete docker://${name}/team/app:1`,
      ]);
      const job = jobOf([step('copy', script.flat().join('\n'), PORTED)]);
      cleanUps.push(() => rmSync(job.taskDir, { recursive: true }));
      writeLayout(path.join(job.taskDir, 'workspace/image'), makeImage(3));
      const socketPath = path.join(job.taskDir, 'api');
      const port = Number(registry.host.split(':')[1]);
      await serving(
        listener(
          (socket) =>
            void socket
              .pipe(connect(port, '127.0.0.1').on('error', () => socket.destroy()))
              .pipe(socket)
              .on('error', () => undefined),
        ),
        socketPath,
      );
      const supervised = new Supervised({ ...job, proxy: { socketPath, names, outgoing: true } });
      const outcome = await supervised.outcome;
      expect([supervised.text, outcome.outcome]).toEqual(['5\n5\n', 'succeeded']);
    },
  );
});

describeSandboxed('a step in a sandbox with a port', () => {
  const ABSTRACT = `leasehold-network-${process.pid}`;
  const attacks = (port: number): readonly (readonly [string, string])[] => [
    ['79: a server on the host’s loopback interface answers', `[ "$(${asks(`127.0.0.1:${port}`)})" != refused ]`],
    ['79: an abstract socket of the host is there', `grep -q '[@]${ABSTRACT}' /proc/net/unix`],
    [
      '79: an abstract socket of the host answers',
      perl(`use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); exit !connect(S, pack("Sa*", PF_UNIX, "\\0${ABSTRACT}"))`),
    ],
    ['78: there is another network than its own', '[ "$(grep -c : /proc/net/dev)" != 1 ] || [ "$(wc -l </proc/net/route)" -gt 1 ]'],
    ['78: an address is added', '/tekton/tools/busybox ip addr add 10.0.0.1/8 dev lo'],
    ['78: a route is added', '/tekton/tools/busybox ip route add default dev lo'],
    ['78: an interface is added', '/tekton/tools/busybox ip link add x type dummy'],
    ['78: the interface is shut', '/tekton/tools/busybox ip link set lo down'],
    ['66: the network’s settings are changed', '(echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start)'],
    ['66: the network’s settings, which seem to be its own, are', 'find /proc/sys/net -type f -writable | grep -q .'],
    ['62: it has capabilities', 'grep -E -q "^Cap(Eff|Prm|Bnd|Inh|Amb):.*[1-9a-f]" /proc/self/status'],
    ...(['127.0.0.1', '0.0.0.0', '127.0.0.2', '::', '::1'] as const).map(
      (host) => [`it listens at ${host}, port 80`, perl(listens(host, 80))] as const,
    ),
    ...(['127.0.0.1', '0.0.0.0'] as const).map((host) => [`it listens at ${host}, where the proxy is`, perl(listens(host, 5000))] as const),
    ['41: the forwarder is seen', 'grep -qs forwarder /proc/[0-9]*/cmdline || [ "$(ls -d /proc/[0-9]* | wc -l)" -gt 8 ]'],
    ['42: the forwarder is signalled', 'perl -e "exit !kill(0, grep { !-e qq(/proc/\\$_) } 2..9999)"'],
    ['55: it has the namespace as a descriptor', 'ls -l /proc/self/fd /proc/1/fd | grep -q net:'],
    ['raw packets are read', perl('use Socket; exit !socket(S, PF_INET, SOCK_RAW, 1)')],
    ['all packets are read', perl('exit !socket(S, 17, 3, 0x0300)')],
  ];
  const listens = (host: string, port: number) =>
    `use Socket qw(SO_REUSEPORT SO_REUSEADDR); use IO::Socket::IP; exit !IO::Socket::IP->new(LocalHost => "${host}", LocalPort => ${port}, Listen => 5, ReuseAddr => 1, ReusePort => 1, V6Only => 1)`;

  let task: SandboxedTask;
  let host: Server;
  let open: ReturnType<typeof listener>[];
  let said: string[];
  let end: SandboxEnd;
  const all = attacks(0);
  beforeAll(async () => {
    task = new SandboxedTask();
    host = createServer(echo).listen(0, '127.0.0.1');
    const proxy = createServer(echo).listen(task.at('proxy'));
    const abstract = listener().listen(`\0${ABSTRACT}`);
    open = [host, proxy, abstract];
    await Promise.all(open.map((server) => once(server, 'listening')));
    chmodSync(task.at('proxy'), 0o666);
    const script = task.script('attacks.sh', attackScript(attacks((host.address() as AddressInfo).port)));
    const more = { network: 'proxy', proxyNames: ['registry:5000'], places: { ...task.places, proxySocket: task.at('proxy') } } as const;
    [end] = (await task.run([task.step(['sh', script], more)])) as [SandboxEnd];
    said = end.output.split('\n').filter((line) => /^\d+ (held|succeeded)$/.test(line));
  });
  afterAll(() => {
    for (const server of open) server.close();
    task.remove();
  });

  it('ends with nothing left', () => expect(end).toMatchObject({ exitCode: 0, survivors: [] }));

  it.each(all.map(([statement], index) => [statement, index] as const))('%s: no', (_, index) => {
    expect(said[index]).toBe(`${index} held`);
  });

  const ported = (over: object = {}) =>
    ({
      ...{ network: 'proxy', proxyNames: ['registry.example.com'], places: { ...task.places, proxySocket: task.at('proxy') } },
      ...over,
    }) as Parameters<SandboxedTask['step']>[1];

  it('has no program of its own run outside, wherever its variables say that programs are', async () => {
    const trap = task.at('workspace/programs');
    mkdirSync(trap);
    for (const name of ['nsenter', 'unshare', 'busybox', 'sh', 'node', 'ip', 'bwrap'])
      writeFileSync(path.join(trap, name), `#!/bin/sh\necho "$0" >>${task.at('workspace/trapped')}\nexit 1\n`, { mode: 0o755 });
    task.give();
    const [ran] = await task.run([task.step(['/bin/true'], ported({ env: { PATH: trap } }))]);
    expect(ran).toMatchObject({ exitCode: 0, survivors: [] });
    expect(existsSync(task.at('workspace/trapped'))).toBe(false);
  });

  it('23: names what is missing', async () => {
    const broken = ['/not/there', '/usr/bin/false'].map((busybox) => task.step(['true'], ported({ settings: { ...SETTINGS, busybox } })));
    const taken = task.step(['true'], ported({ proxyNames: ['[::ffff:127.0.0.1]:80', '127.0.0.1:80', '127.0.0.1'] }));
    const [missing, other, twice] = await task.run([...broken, taken]);
    expect(missing!.failure).toBe('The port of the proxy could not be opened: spawn /not/there ENOENT');
    expect(other!.failure).toBe('The port of the proxy could not be opened: it ended and said nothing');
    expect([missing!.startedAt, other!.startedAt, missing!.survivors, other!.survivors]).toEqual([undefined, undefined, [], []]);
    expect(twice).toMatchObject({ exitCode: 0 });
  });

  it('41: has the names in the hosts of another root, if that has such a file', async () => {
    const rootfs = task.at('rootfs');
    for (const directory of ['', '/bin', '/etc']) mkdirSync(`${rootfs}${directory}`);
    const settings = { ...SETTINGS, rootfs };
    copyFileSync(SETTINGS.busybox, `${rootfs}/bin/cat`);
    task.give();
    const cat = () => task.run([task.step(['/bin/cat', '/etc/hosts'], ported({ settings }))]);
    const [without] = await cat();
    expect(without!.output).toMatch(/can't open '\/etc\/hosts'/);
    writeFileSync(`${rootfs}/etc/hosts`, '10.0.0.1 own\n');
    task.give();
    const [withIt] = await cat();
    expect(withIt!.output).toBe('127.0.0.1 localhost step\n::1 localhost\n127.0.0.1 taskcluster\n127.0.0.1 registry.example.com\n');
    const [unasked] = await task.run([task.step(['/bin/cat', '/etc/hosts'], { settings })]);
    expect(unasked!.output).toBe('10.0.0.1 own\n');
  });
});
