import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DockerRegistry } from './support/docker-registry.js';
import { Skopeo } from './support/skopeo.js';
import { hasSandboxes, isReadable } from './support/unprivileged.js';

/* `npm run demo`, as somebody runs it who has just cloned this: with a service of its own. */

const DEMO = path.resolve('dist/test/examples/demo.js');

const AT_THE_REGISTRY = new RegExp(
  [
    '^A step runs skopeo, which has no credentials',
    'pushed demo/app:1\n +\\| pulled demo/app:1\n',
    'among its scopes\n',
    'pulled nothing of other/app\n',
    '\n12\\. What the registry was sent',
    'POST +by a token of task-run:\\S+ for demo/app:pull,push\n',
    'GET +by a token of task-run:\\S+ for demo/app:pull\n',
    'GET +refused, by a token of task-run:\\S+ for nothing\n',
  ].join('.*'),
  's',
);

describe('the demo', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'leasehold-demo-test-'));
    chmodSync(directory, 0o755); // its worker is another user, if we are root
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  async function demo(limits = ''): Promise<{ code: number | null; said: string }> {
    const { PATH = '' } = process.env;
    const words = ['-c', `${limits} exec "$0" "$1"`, process.execPath, DEMO];
    const child = spawn('sh', words, { env: { PATH, HOME: directory, TMPDIR: directory }, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, said };
  }

  it('runs a task from its creation to its verified receipt, and leaves nothing behind', async () => {
    const { code, said } = await demo();
    expect([code, said]).toEqual([0, expect.stringMatching(/^ +state +completed$/m)]);
    const [before, receipt = '', registry = ''] = said.split(/^1[01]\. /m);
    expect(receipt).toMatch(/^Anybody can check the receipt.*✓/s);
    expect(said).not.toContain('✗');
    const isolation = hasSandboxes && isReadable('dist/src/cli/leasehold.js') ? 'bubblewrap' : 'none';
    expect(before).toContain(`isolates their steps by ${isolation}`);
    const hasRegistry = isolation === 'bubblewrap' && DockerRegistry.isInstalled && Skopeo.isInstalled;
    expect(registry).toMatch(hasRegistry ? AT_THE_REGISTRY : /^A step at a registry is not shown: [^\n]+\n\s*$/);
    expect(registry).not.toMatch(/eyJ|accessToken/); // a token would begin so
    expect(readdirSync(directory)).toEqual([]);
  }, 120_000);

  it('leaves nothing behind either where its service cannot start', async () => {
    const { code, said } = await demo('ulimit -f 1000;'); // a file of Postgres's log is larger
    expect(code).toBeGreaterThan(0);
    expect(said).not.toContain('1. A creator makes a task');
    expect(readdirSync(directory)).toEqual([]);
  }, 60_000);
});
