import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Step } from '../src/worker/payload/payload.js';
import type { Job, Outcome } from '../src/worker/steps/job.js';
import { type JobParts, jobOf, processesWith, recordOf, Supervised, step, until } from './support/supervised.js';
import { describeSandboxed, hasSandboxes } from './support/unprivileged.js';

/* What steps do to one another, to their control files and to the judge, by number. */

const tasks: Supervised[] = [];
const survivors: string[] = [];
afterAll(() => {
  for (const { driver } of tasks) driver.kill('SIGKILL'); // of a test that has failed; with it the supervisor ends
  for (const text of survivors) for (const pid of processesWith(text)) process.kill(pid, 'SIGKILL');
  for (const { job } of tasks) rmSync(job.taskDir, { recursive: true, force: true, maxRetries: 5 });
});

function start(steps: readonly Step[], parts: JobParts = {}): Supervised {
  return begin(jobOf(steps, parts), parts.slow);
}

function begin(job: Job, slow = 0): Supervised {
  const task = new Supervised(job, slow);
  tasks.push(task);
  return task;
}

async function run(steps: readonly Step[], parts: JobParts = {}): Promise<Ran> {
  const task = start(steps, parts);
  const outcome = await task.outcome;
  return { task, outcome, log: task.text };
}

interface Ran {
  task: Supervised;
  outcome: Outcome;
  log: string;
}

const reasons = ({ steps }: Outcome) => steps.map(({ name, reason, exitCode }) => `${name} ${reason} ${exitCode}`);
const tookOf = (outcome: Outcome, name: string) => {
  const { startedAt, finishedAt } = recordOf(outcome, name);
  return Date.parse(finishedAt!) - Date.parse(startedAt!);
};

/** Words that no other process on this machine has, and that a process does something with. */
let count = 0;
const sleepOf = (seconds: number) => `${seconds}.${process.pid}${String(++count).padStart(3, '0')}`;

/** `attempt NAME WORDS…` says whether the words, as a command, went well. */
const ATTEMPT = `set +eu
attempt() { name=$1; shift; if "$@" > /dev/null 2>&1; then echo "EXPLOITED $name"; else echo "blocked $name"; fi; }
C=$TASK_CONTROL
`;

/** Whether somebody still writes to that file of the workspace. */
const GROWS = (file: string) =>
  `before=$(cat ${file} | wc -c); sleep 0.3; after=$(cat ${file} | wc -c); [ $before = $after ] && echo quiet || echo "GROWS"`;
const isolations = hasSandboxes ? (['bubblewrap', 'none'] as const) : (['none'] as const);

const CONTROL_ATTACKS = `${ATTEMPT}
attempt 1-post touch $C/tools/0
attempt 1-post-err touch $C/tools/0.err
attempt 2-out touch $C/run/0/out
attempt 2-err touch $C/run/0/out.err
attempt 2-remove rm $C/run/0/out.err
attempt 3-next touch $C/run/2/out
attempt 4-own touch $C/run/1/out
attempt 5-code sh -c "echo 0 > $C/run/0/status/exitCode"
attempt 5-by-name sh -c "echo 0 > $C/steps/first/exitCode"
attempt 5-by-index sh -c "echo 0 > $C/steps/0/exitCode"
attempt 5-reason sh -c "echo Completed > $C/run/0/status/reason"
attempt 5-result sh -c "echo forged > $C/run/0/status/results/r"
attempt 5-move mv $C/run/0 $C/run/9
attempt 6-own-code sh -c "mkdir -p $C/run/1/status; echo 0 > $C/run/1/status/exitCode"
attempt 7-replace ln -sfn /tmp $C/steps/first
attempt 7-remove rm -f $C/steps/first
attempt 7-add ln -s /tmp $C/steps/new
attempt 8-append sh -c "echo x >> $C/tools/busybox"
attempt 8-chmod chmod 777 $C/tools/busybox
attempt 8-unlink rm -f $C/tools/busybox
attempt 8-rename mv $C/tools/busybox $C/tools/old
attempt 8-over sh -c "cp /bin/sh $TASK_WORKSPACE/x && mv -f $TASK_WORKSPACE/x $C/tools/busybox"
attempt 8-directory mv $C/tools $C/old
attempt 10-add touch $C/downward/x
attempt 10-append sh -c "echo x >> $C/downward/task.json"
attempt 11-later sh -c "echo x >> $C/scripts/script-2"
attempt 11-own sh -c "echo x >> $C/scripts/script-1"
attempt 11-chmod chmod 777 $C/scripts/script-2
attempt 12-termination touch $C/termination
attempt 12-root touch /evil
attempt 12-directory mkdir /evil-directory
attempt 13-remount mount -o remount,bind,rw $C/run/0
attempt 13-remount-root mount -o remount,rw /
attempt 13-umount umount $C/run/0
attempt 13-bind mount --bind /tmp $C/run/0
attempt 13-namespace unshare --user --map-root-user --mount true
echo "later: $(ls -A $C/run/2 | wc -l)"
exit 42
`;

describeSandboxed('A: control files', () => {
  let ran: Ran;
  const steps = [
    step('first', 'printf %s one > $TASK_RESULTS/r; exit 7', { onError: 'continue', results: ['r'] }),
    step('attack', CONTROL_ATTACKS, { onError: 'continue' }),
    step('last', 'cat $TASK_CONTROL/run/0/status/exitCode; echo " is what the first ended with"'),
    step('unwanted', 'true', { when: { status: 'success', all: [{ input: 'a', operator: 'in', values: ['b'] }] } }),
    step('slow', 'sleep 100', { timeout: 0.2 }),
    step('never', 'true'),
    step('reader', 'cd $TASK_CONTROL/steps; for one in *; do echo "$one: $(cat $one/exitCode) $(cat $one/reason)"; done', {
      when: { status: 'always', all: [] },
    }),
  ];
  beforeAll(async () => {
    ran = await run(steps);
  });

  it.each([
    [1, 'post files in the tools directory, exploit 1 of Tekton #4227', 2],
    [2, 'post files of the step before', 3],
    [3, 'post files of the step after', 1],
    [4, 'post files of its own', 1],
    [5, 'exit codes of others, exploit 2 of Tekton #4227', 6],
    [6, 'an exit code of its own', 1],
    [7, 'links by name and by number', 3],
    [8, 'the entrypoint', 6],
    [10, 'downward', 2],
    [11, 'scripts', 3],
    [12, 'anything directly under /tekton or /', 3],
    [13, 'read-only mounts', 5],
  ])('%i: a step cannot make or change %s', (number, _, attempts) => {
    const said = ran.log.split('\n').filter((line) => new RegExp(`^(EXPLOITED|blocked) ${number}-`).test(line));
    expect(said).toHaveLength(attempts);
    expect(said.filter((line) => line.startsWith('EXPLOITED'))).toEqual([]);
  });

  it('9: the entrypoint has the same bytes as before', () => {
    const digest = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
    expect(digest(path.join(ran.task.job.taskDir, 'control/tools/busybox'))).toBe(digest('/usr/bin/busybox'));
  });

  it('16: a later step reads the true exit code of an earlier one, by name and by number', () => {
    expect(ran.log).toContain('7 is what the first ended with');
    expect(ran.log).toContain('\nfirst: 7 Failed\n');
    expect(ran.log).toContain('0: 7 Failed\n');
  });

  it('17: there is a decimal for every step, and its reason, whatever its end', () => {
    const told = ['attack: 42 Failed', 'last: 0 Completed', 'unwanted: 0 Skipped', 'never: 0 Skipped'];
    for (const line of told) expect(ran.log).toContain(`\n${line}\n`);
    expect(ran.log).toMatch(/^slow: (143|137) TimeoutExceeded$/m);
    for (const index of steps.keys())
      expect(readFileSync(path.join(ran.task.job.taskDir, 'control/run', `${index}/status/exitCode`), 'utf8')).toMatch(/^\d+$/);
  });

  it('18: a step sees nothing of later ones', () => {
    expect(ran.log).toContain('later: 0\n');
  });

  it('19: what a step has forged of itself says nothing', () => {
    expect(reasons(ran.outcome)).toEqual([
      'first Failed 7',
      'attack Failed 42',
      'last Completed 0',
      'unwanted Skipped 0',
      expect.stringMatching(/^slow TimeoutExceeded 1(43|37)$/),
      'never Skipped 0',
      'reader Completed 0',
    ]);
    expect(ran.outcome.outcome).toBe('failed');
    expect(ran.task.diagnoses).toEqual([]);
  });
});

it('without isolation control files can be forged, and the verdict still cannot', async () => {
  const attack = `${ATTEMPT}
attempt 1 touch $C/tools/0
attempt 5 sh -c "echo 0 > $C/run/0/status/exitCode"
attempt 8 sh -c "echo x >> $C/tools/busybox"
attempt 6 sh -c "mkdir -p $C/run/1/status && echo 0 > $C/run/1/status/exitCode"
attempt run rm -rf $C/run/1
attempt link ln -s /dev/full $C/run/1
exit 42`;
  const last = step('last', 'echo "the first: $(cat $TASK_CONTROL/steps/first/exitCode)"', { when: { status: 'always', all: [] } });
  const { outcome, log, task } = await run([step('first', 'exit 7', { onError: 'continueAndFail' }), step('attack', attack), last], {
    isolation: 'none',
  });
  expect(log.match(/EXPLOITED/g)).toHaveLength(hasSandboxes ? 6 : 5);
  expect(log).toContain('the first: 0'); // forged
  expect(reasons(outcome)).toEqual(['first Failed 7', 'attack Failed 42', 'last Completed 0']);
  expect(outcome.outcome).toBe('failed');
  const told = task.diagnoses.join('\n');
  expect(told).toContain('control files of step 1 could not be written'); // and nothing waits for them
  if (hasSandboxes) expect(told).toContain('A step has changed the program in /tekton/tools'); // 9, where the program is
});

describe.each(isolations)('with isolation %s', (isolation) => {
  const isolated = isolation === 'bubblewrap';
  const go = (steps: readonly Step[], parts: JobParts = {}) => run(steps, { isolation, ...parts });

  it('19, 25, 55: nothing that a step prints or writes to a descriptor has an effect, and it inherits none', async () => {
    const done = '{"told":"done","outcome":{"outcome":"succeeded","steps":[],"results":{}}}';
    const script = `set +e
echo '${done}'; echo '[{"key":"ExitCode","value":"0","type":3}]'; echo '::set-output name=x::y'; printf '\\033[2J'
for fd in 3 4 5 6 7 8 9; do sh -c "echo '${done}' >&$fd" 2> /dev/null && echo "fd $fd is open"; done
echo; echo "open:" $(ls /proc/self/fd)
exit 9`;
    const { outcome, log } = await go([step('loud', script)]);
    expect([outcome.outcome, reasons(outcome)]).toEqual(['failed', ['loud Failed 9']]);
    expect(log).toContain(done);
    expect(log).not.toContain('is open');
    expect(log).toMatch(/^open: 0 1 2 3$/m); // the last one is that of `ls`
  });

  it('22: times and reasons are the supervisor’s own', async () => {
    const before = Date.now();
    const { outcome, task } = await go([step('a', 'sleep 0.2'), step('b', 'exit 1'), step('c', 'true')]);
    expect(reasons(outcome)).toEqual(['a Completed 0', 'b Failed 1', 'c Skipped 0']);
    expect(tookOf(outcome, 'a')).toBeGreaterThanOrEqual(195);
    expect(Date.parse(recordOf(outcome, 'a').startedAt!)).toBeGreaterThanOrEqual(before);
    expect(recordOf(outcome, 'c')).not.toHaveProperty('startedAt');
    expect(task.told.map(({ told }) => told)).toEqual(['step-started', 'step-ended', 'step-started', 'step-ended', 'step-ended', 'done']);
  });

  it('24: exit codes are those of a shell', async () => {
    const always = { when: { status: 'always' as const, all: [] } };
    const script = 'echo "no program" > $TASK_WORKSPACE/text';
    const { outcome } = await go([
      step('prepare', script),
      step('absent', undefined, { command: ['no-such-program'], ...always }),
      step('no-program', undefined, { command: [isolated ? '/workspace/text' : '/etc/passwd'], ...always }),
      step('killed', 'kill -KILL $$', always),
      step('terminated', 'kill -TERM $$', always),
      step('words', undefined, { command: ['sh', '-c', 'exit $#', 'sh', 'one', 'two words', ''], ...always }),
    ]);
    expect(outcome.steps.map(({ exitCode }) => exitCode)).toEqual([0, 127, 126, 137, 143, 3]);
  });

  it('29–34, 38: results are taken as they are, or refused by name', async () => {
    const script = `cd $TASK_RESULTS
printf 'with a newline\\n' > text
ln -s /etc/passwd link
ln -s /proc/self/environ environ
mkdir directory
mkfifo pipe
head -c 5000 /dev/zero > large
printf '\\377\\376' > invalid
printf '\\377\\376\\000' > binary
printf '["a","b c"]' > list
printf '{"a":"b"}' > object
printf '{"a":1}' > wrong
printf '[1' > broken
printf x > undeclared
chmod 0 text`;
    const typed = (name: string, type: 'array' | 'object' | 'binary') => ({ name, type });
    const results = ['text', 'link', 'environ', 'directory', 'pipe', 'large', 'invalid', typed('binary', 'binary'), typed('list', 'array')];
    const more = [typed('object', 'object'), typed('wrong', 'object'), typed('broken', 'array'), 'absent'];
    const { outcome, task } = await go([step('writer', script, { results: [...results, ...more] })]);
    const { results: values, missing } = recordOf(outcome, 'writer');
    const text = isolated ? { text: 'with a newline\n' } : {}; // without isolation we are not root even there
    expect(values).toEqual({ ...text, binary: '//4A', list: ['a', 'b c'], object: { a: 'b' } });
    expect(missing).toMatchObject({
      link: 'result link: it is a link',
      environ: 'result environ: it is a link',
      directory: 'result directory: it is no ordinary file',
      pipe: 'result pipe: it is no ordinary file',
      large: 'result large: it has 5000 bytes, and may have 4096; leave an artifact instead',
      invalid: 'result invalid: it is not UTF-8; declare it as binary',
      wrong: 'result wrong: it is no JSON object of strings',
      broken: 'result broken: it is no JSON',
      absent: 'result absent: the step did not write it',
    });
    expect(readdirSync(path.join(task.job.taskDir, 'control/run/0/status/results')).sort()).toEqual(Object.keys(values).sort());
    expect(outcome.results.list).toEqual({ step: 'writer', value: ['a', 'b c'] });
  });

  it('27, 35–37: whose results there are, and what later steps get of them', async () => {
    const when = {
      status: 'success' as const,
      all: [{ input: '$(steps.a.results.x)', operator: 'in' as const, values: ['$(steps.b.results.x)'] }],
    };
    const { outcome, log } = await go([
      step('a', `printf %s '$(steps.b.''results.x)' > $TASK_RESULTS/x; printf 1 > $TASK_RESULTS/y`, { results: ['x', 'y'] }),
      step('b', 'ls -A $TASK_RESULTS | wc -l; printf two > $TASK_RESULTS/x; exit 3', { onError: 'continue', results: ['x', 'z'] }),
      step('c', 'printf three > $TASK_RESULTS/y; printf "%s\\n" "$X"', { env: { X: 'env: $(steps.a.results.x)' }, results: ['y'] }),
      step('d', undefined, { command: ['printf', '%s\\n', 'words: $(steps.b.results.x)'] }),
      step('e', 'true', { when }),
      step('f', undefined, { command: ['echo', '$(steps.b.results.z)'] }),
    ]);
    expect(reasons(outcome)).toEqual(['a Completed 0', 'b Failed 3', 'c Completed 0', 'd Completed 0', 'e Skipped 0', 'f Failed 125']);
    expect(log).toContain('env: $(steps.b.results.x)\n'); // not replaced again
    expect(log).toContain('words: two\n');
    expect(log).toMatch(/^0$/m);
    expect(recordOf(outcome, 'b')).toMatchObject({ results: { x: 'two' }, missing: { z: expect.stringContaining('did not write it') } });
    expect(outcome.results).toEqual({ x: { step: 'a', value: '$(steps.b.results.x)' }, y: { step: 'c', value: 'three' } });
    expect(recordOf(outcome, 'f').detail).toMatch(/z/);
  });

  it('28: results are read when the step is dead, not before', async () => {
    const script = `trap 'printf late > $TASK_RESULTS/said; exit 0' TERM; printf early > $TASK_RESULTS/said; echo up; while :; do sleep 0.05; done`;
    const steps = [
      step('waits', script, { timeout: 0.4, results: ['said'] }),
      step('report', 'true', { when: { status: 'always', all: [] } }),
    ];
    const { outcome } = await go(steps);
    expect(recordOf(outcome, 'waits')).toMatchObject({ reason: 'TimeoutExceeded', results: { said: 'late' } });
  });

  it('44: a step is over although a child of it holds standard output', async () => {
    const seconds = sleepOf(31);
    survivors.push(seconds);
    const { outcome, log } = await go([
      step('a', `sleep ${seconds} & setsid sleep ${seconds} & sleep 0.2; echo over`),
      step('b', 'echo next'),
    ]);
    expect(reasons(outcome)).toEqual(['a Completed 0', 'b Completed 0']);
    expect(tookOf(outcome, 'a')).toBeLessThan(1500);
    expect(log).toBe('over\nnext\n');
    expect(processesWith(seconds)).toHaveLength(isolated ? 0 : 1); // 43: only a sandbox has those that left the group
  });

  it('45, 46: a time-out is SIGTERM for all, the grace, SIGKILL for all, and nothing goes on', async () => {
    const seconds = sleepOf(32);
    const stubborn = `trap '' TERM; sleep ${seconds} & ${isolated ? `setsid sh -c "trap '' TERM; sleep ${seconds}" &` : ''} echo up; while :; do sleep ${seconds}; done`;
    const polite = `trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done`;
    const { outcome, log } = await go([
      step('polite', polite, { timeout: 0.4, onError: 'continue' }),
      step('next', 'true'),
      step('stubborn', stubborn, { timeout: 0.4, when: { status: 'always', all: [] } }),
    ]);
    expect(reasons(outcome)).toEqual(['polite TimeoutExceeded 0', 'next Skipped 0', 'stubborn TimeoutExceeded 137']);
    expect(outcome.outcome).toBe('failed');
    expect(log).toMatch(/^up\n(Terminated\n)?bye\nup\n/); // the shell tells what has become of its children
    expect(tookOf(outcome, 'polite')).toBeLessThan(700);
    expect(tookOf(outcome, 'stubborn')).toBeGreaterThanOrEqual(850);
    expect(tookOf(outcome, 'stubborn')).toBeLessThan(1200); // 0.4 s, 0.5 s of grace, 100 ms, and a busy machine
    expect(processesWith(seconds)).toEqual([]);
  });

  it('50: an order ends what runs, what is to run always still does, and the log is kept', async () => {
    const seconds = sleepOf(33);
    const always = { when: { status: 'always' as const, all: [] } };
    const steps = [
      step('a', `echo up; sleep ${seconds}`),
      step('b', 'true'),
      step('c', 'echo tidied', always),
      step('d', `sleep ${seconds}`, always),
    ];
    const task = start(steps, { isolation });
    await until(() => task.text.includes('up'));
    const at = Date.now();
    task.stop({ reason: 'cancelled', cleanUp: 1000 });
    const outcome = await task.outcome;
    expect(reasons(outcome)).toEqual(['a Cancelled 143', 'b Skipped 0', 'c Completed 0', 'd Cancelled 137']);
    expect(outcome.outcome).toBe('stopped');
    expect(Date.now() - at).toBeLessThan(1600);
    expect(task.text).toMatch(/^up\n(Terminated\n)?tidied\n$/);
    expect(processesWith(seconds)).toEqual([]);
  });

  it('50: without time to clean up nothing more is run; and what is killed tells what was known', async () => {
    const seconds = sleepOf(34);
    const always = { when: { status: 'always' as const, all: [] } };
    const both = [1, 2].map(() =>
      start([step('a', 'exit 0'), step('b', `echo up; sleep ${seconds}`), step('c', 'true', always)], { isolation }),
    );
    await until(() => both.every(({ text }) => text.includes('up')));
    both[0]!.stop({ reason: 'timed-out', cleanUp: 0 });
    both[1]!.kill();
    const [stopped, killed] = await Promise.all(both.map(({ outcome }) => outcome));
    expect(reasons(stopped!)).toEqual(['a Completed 0', 'b TimeoutExceeded 143', 'c Skipped 0']);
    expect(stopped!.outcome).toBe('failed');
    expect([killed!.outcome, reasons(killed!)]).toEqual(['stopped', ['a Completed 0']]);
    await until(() => processesWith(seconds).length === 0);
  });

  it('48: when the worker is killed nothing of the task is left', async () => {
    const seconds = sleepOf(35);
    const task = start([step('a', `sleep ${seconds}`)], { isolation });
    await until(() => processesWith(seconds).length > 0);
    task.driver.kill('SIGKILL');
    await until(() => processesWith(seconds).length === 0 && !isAlive(task.pid));
  });

  it('72: of 300 MB a part is kept, the step is not held up, and the supervisor has none of it', async () => {
    const task = start([step('a', 'head -c 300000000 /dev/zero; echo up >&2; sleep 0.5; exit 5')], { isolation });
    const peaks: number[] = [];
    await until(() => {
      peaks.push(...memoryPeaks(task.pid));
      return task.told.some(({ told }) => told === 'done');
    }, 20_000);
    const outcome = await task.outcome;
    expect(reasons(outcome)).toEqual(['a Failed 5']);
    expect(recordOf(outcome, 'a').output).toEqual({ bytes: 300_000_003, dropped: 300_000_003 - 1_048_576 });
    expect(task.text).toMatch(
      /^\0{1048576}\n\[leasehold\] output truncated: the first 1048576 bytes are above, 298951427 more were dropped\n$/,
    );
    expect(Math.max(...peaks)).toBeGreaterThan(20);
    expect(Math.max(...peaks)).toBeLessThan(130); // MB, of which Node has 60 before it does anything
  });

  it('72: who reads the log slowly is waited for, not stored for', async () => {
    const task = start([step('a', 'head -c 48000000 /dev/zero')], { isolation, slow: 1, limits: { output: 64_000_000 } });
    const peaks: number[] = [];
    await until(() => {
      peaks.push(...memoryPeaks(task.pid));
      return task.told.some(({ told }) => told === 'done');
    }, 20_000);
    await task.outcome;
    expect(task.printed.length).toBe(48_000_001); // with a line feed before the supervisor's next line
    expect(Math.max(...peaks)).toBeLessThan(100);
  });

  it('73–75: bytes are kept as they are; /dev/stdout can be opened, and nothing that was printed can be changed', async () => {
    const script = `set +e
printf '\\000\\377\\r\\033[31m'; head -c 1000000 /dev/zero | tr '\\0' x; echo
echo one > /dev/stdout
echo two | tee /dev/stderr > /dev/null
: > /dev/stdout
truncate -s 0 /dev/stdout 2> /dev/null && echo TRUNCATED
echo three | dd of=/dev/stdout bs=1 seek=0 2> /dev/null
timeout 1 cat /dev/stdout 2> /dev/null; [ $? = 124 ] && echo READ
echo four >> /dev/stdout`;
    const { task } = await go([step('a', script)], { limits: { output: 2_000_000 } });
    const expected = [Buffer.from([0, 0xff, 0x0d, 0x1b]), Buffer.from(`[31m${'x'.repeat(1_000_000)}\none\ntwo\nthree\nfour\n`)];
    expect(Buffer.compare(task.printed, Buffer.concat(expected))).toBe(0);
  });

  it('a step has its environment, its secrets and nothing else', async () => {
    const secrets = [{ name: 'deploy', env: 'TOKEN', file: 'token' }];
    const view = '; for name in $(ls $TASK_CONTROL/creds); do echo "$name: $(cat $TASK_CONTROL/creds/$name)"; done';
    const { log } = await go([step('a', `env${view}`, { secrets, env: { OWN: 'x' } }), step('b', `env${view}`)], {
      secrets: { deploy: 'hunter2', other: 'never' },
    });
    expect(log).toContain('TOKEN=hunter2\n');
    expect(log).toContain('token: hunter2\n');
    expect(log).not.toContain('never');
    const [, second = ''] = log.split('token: hunter2\n');
    expect(second).toContain('TASK_STEP=b\n');
    expect(second).not.toMatch(/hunter2|OWN=/);
    const names = [...second.matchAll(/^(\w+)=/gm)]
      .map(([, name]) => name)
      .filter((name) => !['PWD', 'SHLVL', '_', 'OLDPWD'].includes(name!));
    const expected = ['HOME', 'PATH', 'RUN_ID', 'TASK_CONTROL', 'TASK_ID', 'TASK_RESULTS', 'TASK_STEP', 'TASK_WORKSPACE'];
    expect(names.sort()).toEqual([...(isolated ? [] : ['LEASEHOLD_TASK']), ...expected].sort());
  });

  it('23: what a step does to the workspace or leaves for a later one is not called a fault of the sandbox', async () => {
    const always = { when: { status: 'always' as const, all: [] } };
    const { outcome } = await go(
      [
        step('a', 'printf %100000d 1 > $TASK_RESULTS/x; chmod 0 $TASK_WORKSPACE', { results: ['x'] }),
        step('b', 'touch y', always),
        step('c', undefined, { command: ['echo', '$(steps.a.results.x)$(steps.a.results.x)'], ...always }),
        step('d', 'mkdir -p $TASK_CONTROL/creds/d && touch $TASK_CONTROL/creds/d/f && chmod 0 $TASK_CONTROL/creds/d; exit 3', always),
        step('e', 'true', always),
        step('f', undefined, { command: ['/etc/passwd/x'], ...always }),
      ],
      { limits: { result: 200_000 } },
    );
    expect(reasons(outcome)).toEqual([
      'a Completed 0',
      'b Completed 0',
      'c Failed 125', // too long for one word
      'd Failed 3',
      'e Completed 0',
      expect.stringMatching(/^f Failed 12[67]$/),
    ]);
  });

  it('40: nothing of the workspace is run', async () => {
    const plant = `cd $TASK_WORKSPACE; mkdir bin .git; for name in sh mkfifo mount node git; do printf '#!/bin/sh\\ntouch $TASK_WORKSPACE/RAN\\n' > $name; chmod +x $name; done`;
    const { outcome } = await go([step('plant', plant), step('b', undefined, { command: ['true'] }), step('c', '[ ! -e RAN ]')]);
    expect(outcome.outcome).toBe('succeeded');
  });
});

/** Megabytes that the processes of Node below that one had at most. */
function memoryPeaks(pid: number): number[] {
  return [pid, ...childrenOf(pid)].flatMap((one) => {
    const status = statusOf(one);
    return /^Name:\s+(node|MainThread)/.test(status) ? [Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024] : [];
  });
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** What nobody has reaped yet is dead. */
const isAlive = (pid: number) => /^State:\s+[^ZX]/m.test(statusOf(pid));

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}

describeSandboxed('with bubblewrap alone', () => {
  it.each([['/nonexistent/bwrap'], ['/bin/false']])(
    '23: a sandbox that cannot be made (%s) is not the step’s failure',
    async (bubblewrap) => {
      const job = jobOf([step('a', 'exit 1'), step('b', 'true', { when: { status: 'always', all: [] } })]);
      const outcome = await begin({ ...job, sandbox: { ...job.sandbox, bubblewrap } }).outcome;
      expect([outcome.outcome, reasons(outcome)]).toEqual(['broken', ['a InfrastructureError 125', 'b Skipped 0']]);
      expect(recordOf(outcome, 'a')).not.toHaveProperty('startedAt');
      expect(recordOf(outcome, 'a').detail).not.toBe('');
    },
  );

  it('23: nor is a directory that was used before', async () => {
    const job = jobOf([step('a', 'true')]);
    mkdirSync(path.join(job.taskDir, 'control'));
    const task = begin(job);
    expect(await task.outcome).toEqual({ outcome: 'broken', steps: [], results: {} });
    expect(task.diagnoses.join()).toMatch(/EEXIST/);
  });

  it('75: what was printed cannot be taken back, though the output is the step’s own file', async () => {
    // the log is slow, so that all of it is still in the pipe
    const script = `set +e
for nth in 1 2 3; do head -c 20000 /dev/zero | tr '\\0' $nth; echo; done
chmod 600 /dev/stdout 2> said; chmod 600 /proc/1/fd/1 2>> said
(timeout 1 cat < /dev/stdout; timeout 1 cat < /proc/1/fd/1) > taken 2>> said
wc -c < taken; stat -Lc %a /dev/stdout; grep -c 'Read-only file system' said`;
    const task = start([step('a', script)], { slow: 200 });
    expect(reasons(await task.outcome)).toEqual(['a Completed 0']);
    const lines = ['1', '2', '3'].map((nth) => nth.repeat(20_000));
    expect(task.text).toBe([...lines, '0', '200', '2', ''].join('\n'));
  });

  it('20, 21, 43, 52: the next step begins when all of a step is dead, whatever it does to its first process', async () => {
    const seconds = sleepOf(36);
    const daemon = (file: string) =>
      `(trap '' TERM HUP; exec setsid sh -c 'while :; do echo x >> ${file}; sleep 0.01; done; sleep ${seconds}' > /dev/null 2>&1) & sleep 0.1`;
    const hijack = `set +e
${daemon('hijack')}
address=$(grep ' r-xp ' /proc/1/maps | head -n 1 | cut -d - -f 1)
dd if=/dev/zero of=/proc/1/mem bs=4096 seek=$((0x$address / 4096)) count=16 conv=notrunc
sleep 0.2; exit 0`;
    const kill = (what: string) => `${daemon('kill')}; kill -9 ${what}; exit 42`;
    const over = { onError: 'continue' as const };
    const { outcome, log } = await run([
      step('daemon', `${daemon('daemon')}; exit 0`),
      step('after-daemon', GROWS('daemon')),
      step('hijack', hijack, over),
      step('after-hijack', GROWS('hijack')),
      step('kill-first', kill('1'), over),
      step('kill-all', kill('-1'), over),
      step('after-kill', GROWS('kill')),
    ]);
    expect(log.match(/^quiet$/gm)).toHaveLength(3);
    expect(log).not.toContain('GROWS');
    expect(recordOf(outcome, 'daemon').exitCode).toBe(0);
    expect(recordOf(outcome, 'kill-first').reason).toBe('Failed');
    expect(recordOf(outcome, 'kill-all').reason).toBe('Failed');
    expect(processesWith(seconds)).toEqual([]);
  });

  it('28: what a step has left in the background writes its results to the end, and not after they were read', async () => {
    const counts =
      'i=0; while :; do i=$((i + 1)); echo $i > $TASK_RESULTS/next; mv $TASK_RESULTS/next $TASK_RESULTS/count; echo $i > told; done';
    const { outcome, log } = await run([
      step('counts', `(${counts}) & until [ -s told ]; do :; done; exit 0`, { results: ['count'] }),
      step('compares', 'cat told'),
    ]);
    const [counted, told] = [Number(recordOf(outcome, 'counts').results.count), Number(log)];
    expect(told).toBeGreaterThan(0);
    expect([told, told + 1]).toContain(counted);
  });

  it('79, 80: each step has the network that it asked for, whatever is in its environment, and the record says which', async () => {
    const interfaces = (text: string) => text.match(/^ *[\w-]+(?=:)/gm)?.map((name) => name.trim());
    const networks = ['none', 'host', 'none'] as const;
    const env = { TEKTON_HERMETIC: '0', TEKTON_RESOURCE_NAME: 'x' };
    const { outcome, log } = await run(networks.map((network, at) => step(`s-${at}`, 'cat /proc/net/dev; echo over', { network, env })));
    const host = interfaces(readFileSync('/proc/net/dev', 'utf8'));
    expect(log.split('over\n').slice(0, 3).map(interfaces)).toEqual([['lo'], host, ['lo']]);
    expect(outcome.steps.map(({ network }) => network)).toEqual(networks);
  });

  it('27, 31: results of a step are in a file system of their own, with room for no more than that', async () => {
    const fill = `set +e
head -c 100000000 /dev/zero > $TASK_RESULTS/fill 2> /dev/null && echo FILLED
rm $TASK_RESULTS/fill
cd $TASK_RESULTS; name=$(printf '%0250d' 0); (for i in $(seq 1 30); do mkdir $name && cd $name; done) 2> /dev/null
for i in $(seq 1 500); do touch $TASK_RESULTS/$i || break; done 2> /dev/null
ls $TASK_RESULTS | wc -l`;
    const { outcome, log } = await run([
      step('fill', fill),
      step('next', 'ls -A $TASK_RESULTS | wc -l; printf x > $TASK_RESULTS/r', { results: ['r'] }),
      step('thief', `${ATTEMPT} attempt earlier sh -c "echo x > $C/run/1/status/results/r"; cat $C/run/1/status/results/r`),
    ]);
    const [files, next, ...rest] = log.trim().split('\n');
    expect(Number(files)).toBeLessThan(100);
    expect(next).toBe('0');
    expect(rest).toEqual(['blocked earlier', 'x']);
    expect(outcome.outcome).toBe('succeeded');
  });

  it('45: a first process that only looks as if it were dead is killed in time', async () => {
    // it starts a thread, and its first one ends alone: /proc then calls it a zombie
    const takeOver = String.raw`
open(my $maps, '<', '/proc/1/maps'); my @code = map { /^(\w+)-(\w+) r-xp .*busybox/ ? [hex $1, hex $2] : () } <$maps>;
open(my $mem, '+<', '/proc/1/mem') or die;
my $thread = "\xb8\x38\0\0\0\xbf\x00\x0f\x05\0\x48\x8d\xb4\x24\x00\x80\xff\xff\x31\xd2\x4d\x31\xd2\x4d\x31\xc0\x0f\x05\x85\xc0\x74\x09"
  . "\xb8\x3c\0\0\0\x31\xff\x0f\x05" . "\xb8\x22\0\0\0\x0f\x05\xeb\xf7";
for (@code) { my ($from, $to) = @$_; sysseek($mem, $from, 0); syswrite($mem, ("\x90" x ($to - $from - length $thread)) . $thread) and print "taken over\n" }
if (fork() == 0) { $SIG{TERM} = 'IGNORE'; open(my $f, '>>', 'alive'); while (1) { syswrite $f, 'x'; select(undef, undef, undef, 0.01) } }
exit 42;`;
    const stop = setTimeout(() => task.kill(), 10_000);
    const task = start([
      step('undead', undefined, { command: ['perl', '-e', takeOver], timeout: 1 }),
      step('after', GROWS('alive'), { when: { status: 'always', all: [] } }),
    ]);
    const outcome = await task.outcome;
    clearTimeout(stop);
    if (process.arch === 'x64') expect(task.text).toMatch(/taken over/);
    expect(reasons(outcome)).toEqual(['undead TimeoutExceeded 137', 'after Completed 0']);
    expect(task.text).toMatch(/quiet\n$/);
  });

  it('47: a fork bomb has the room of its step, and ends with it', async () => {
    const bomb = 'bomb() { bomb | bomb & }; bomb; sleep 100';
    const { outcome } = await run([step('bomb', bomb, { timeout: 0.5 }), step('after', 'true', { when: { status: 'always', all: [] } })]);
    expect(recordOf(outcome, 'after').reason).toBe('Completed');
    expect(['TimeoutExceeded', 'Failed']).toContain(recordOf(outcome, 'bomb').reason);
  });

  it('48: a supervisor that is killed at any moment leaves no process', async () => {
    for (let delay = 0; delay <= 30; delay += 3) {
      const seconds = sleepOf(37);
      const task = start([step('a', `sleep ${seconds} & setsid sleep ${seconds} & sleep ${seconds}`)]);
      await until(() => task.told.length > 0);
      await new Promise((resolve) => setTimeout(resolve, delay)); // the moment is what is tried
      const supervisor = childrenOf(task.pid)[0]!;
      process.kill(delay % 2 === 0 ? supervisor : task.pid, 'SIGKILL');
      expect((await task.outcome).outcome).toBe('broken');
      await until(() => processesWith(seconds).length === 0 && !isAlive(supervisor), 2000);
    }
  });

  it('69–71: of what is a step’s own', async () => {
    const { outcome, log } = await run(
      [
        step(
          'a',
          `set +e; echo x > keep; for place in /tmp /dev/shm $HOME; do echo x > $place/mine; done
head -c 100000000 /dev/zero > /tmp/fill 2> /dev/null && echo FILLED
cd /; rm -rf /workspace /tekton /usr /etc 2> /dev/null; rmdir /workspace 2> /dev/null && echo REMOVED; mv /workspace /tmp/ 2> /dev/null && echo MOVED; exit 0`,
        ),
        step(
          'b',
          `cd /workspace; ls -A | wc -l; for place in /tmp /dev/shm $HOME; do [ -e $place/mine ] && echo SHARED; done; echo y > kept`,
        ),
        step('read-only', `${ATTEMPT} cat kept; attempt write touch new; attempt append sh -c 'echo x >> kept'`, { workspace: 'ro' }),
        step('without', `[ -z "\${TASK_WORKSPACE:-}" ]; [ ! -e /workspace/kept ]`, { workspace: 'none' }),
      ],
      {},
    );
    expect(log).toBe('0\ny\nblocked write\nblocked append\n');
    expect(reasons(outcome)).toEqual(['a Completed 0', 'b Completed 0', 'read-only Completed 0', 'without Completed 0']);
  });
});
