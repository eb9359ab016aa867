import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { newQueue } from './support/creator.js';
import { eventually } from './support/service-process.js';
import { Tasks } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';
import { compiled, describeSandboxed, unprivileged } from './support/unprivileged.js';
import { WorkerHome, WorkerProcess } from './support/worker-process.js';

/* The worker as who starts it by hand has it: on a terminal, and perhaps as root. */

let service: TestService;
let home: WorkerHome;
const taskQueueId = newQueue();

beforeAll(async () => {
  service = await startTestService({ claimPoll: 5, sweepInterval: 0.2 });
});
afterAll(() => service.close());

async function newHome(members: object = {}): Promise<WorkerHome> {
  return new WorkerHome(await service.client(`queue:claim-work:${taskQueueId}`, 'queue:worker-id:*'), [taskQueueId], members);
}
afterEach(() => home.remove());

const COMMAND = [process.execPath, compiled('src/cli/leasehold.js'), 'worker', '--config'];

/** A terminal, by util-linux, in which a worker runs. What is typed goes to its input. */
function terminal({ config }: WorkerHome) {
  const [NODE, PROGRAM] = COMMAND as [string, string];
  const words = ['--quiet', '--return', '--command', 'exec "$NODE" "$PROGRAM" worker --config "$CONFIG"', '/dev/null'];
  const env = { PATH: process.env.PATH, SHELL: '/bin/sh', NODE, PROGRAM, CONFIG: config };
  const child = spawn('script', words, { ...unprivileged, env, cwd: '/', stdio: 'pipe' });
  const shown = { text: '' };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      shown.text += text;
    });
  return { child, shown, ended: once(child, 'close') };
}

it('shows a table of what runs, with the step and the lease, and ends by Ctrl-C', async () => {
  home = await newHome();
  const tasks = new Tasks(service.root, service.database);
  const script = `until [ -e ${home.at('go-on')} ]; do sleep 0.05; done`;
  const taskId = await tasks.create({ taskQueueId, payload: { version: 1, maxRunTime: 60, steps: [{ name: 'waits-here', script }] } });
  const { child, shown, ended } = terminal(home);
  try {
    const row = new RegExp(`1 of 1 running\\r?\\n  ${taskId}/0 +waits-here +0:\\d\\d of +0:\\d\\d +lease \\d+:\\d\\d\\r?\\n`);
    await eventually(`a row of the step is shown: ${row}`, () => row.test(shown.text), 15_000);
    home.put('go-on', '');
    await eventually('the task is completed', async () => (await tasks.state(taskId)) === 'completed');
    await eventually('its row is gone', () => /0 of 1 running\s*$/.test(shown.text));
    child.stdin.write('\u0003');
    expect(await ended).toEqual([0, null]);
    expect(shown.text).toContain('A run has ended');
  } finally {
    child.kill('SIGKILL'); // the terminal is gone with it, and the worker hangs up
  }
});

describeSandboxed('with sandboxes', () => {
  it('(65, 83) refuses to be root, and nobody else', async () => {
    home = await newHome({ isolation: 'bubblewrap' });
    if (process.getuid?.() === 0) {
      const roots = await newHome({ isolation: 'bubblewrap' });
      spawnSync('chown', ['-R', '0:0', roots.directory]);
      const ended = spawnSync(COMMAND[0]!, [...COMMAND.slice(1), roots.config], { encoding: 'utf8', timeout: 20_000 });
      roots.remove();
      expect([ended.status, ended.stderr, ended.stdout]).toEqual([1, expect.stringMatching(/^RUNS_AS_ROOT: .*run it as another user/), '']);
    }
    await using another = new WorkerProcess(home);
    await another.says('The worker claims');
  });
});
