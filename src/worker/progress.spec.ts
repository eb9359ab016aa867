import { asJson, asText, type Entry, logTo } from './log.js';
import { Progress, progressTable, type ShownRun } from './progress.js';

const TASK = 'fN1SbArXTPSVFNUvaOlinQ';
const run = (doing: string, members: Partial<ShownRun> = {}): ShownRun => ({
  ...{ taskId: TASK, runId: 0, doing, since: 60_000, begun: 0, leaseLeft: () => 599_000 },
  ...members,
});

it('shows which step runs, for how long, and what is left of the lease', () => {
  const rows = [run('build'), run('a-long-name', { runId: 3, since: 0, leaseLeft: () => -5 })];
  expect(progressTable(rows, { capacity: 4, now: 3_725_000, columns: 120 })).toEqual([
    '2 of 4 running',
    `  ${TASK}/0  build         1:01:05 of  1:02:05  lease 9:59`,
    `  ${TASK}/3  a-long-name   1:02:05 of  1:02:05  lease 0:00`,
  ]);
});

it('is never wider than the terminal, where lines that wrap could not be painted over', () => {
  for (const line of progressTable([run('x'.repeat(500))], { capacity: 1, now: 0, columns: 40 })) expect(line.length).toBeLessThan(40);
});

it('is painted over, with what is printed above it', () => {
  let text = '';
  const progress = new Progress({ write: (piece: string) => (text += piece), columns: 200 }, 1);
  const shown = run('build');
  progress.show(shown);
  text = '';
  progress.print('something');
  expect(text.startsWith('\u001b[2A\u001b[0Jsomething\n1 of 1 running\n')).toBe(true);
  expect(text).toMatch(/build.*\n$/);
  text = '';
  progress.hide(shown);
  progress.end();
  expect(text.endsWith('\u001b[1A\u001b[0J')).toBe(true);
});

it('(25) what somebody else said moves no cursor, and breaks no line', () => {
  const entries: Entry[] = [];
  logTo((entry) => entries.push(entry), { taskId: TASK })
    .with({ runId: 1 })
    .warn('told\u001b[2J\nmore', { reason: '\r\u009b1A' });
  const text = asText(entries[0]!);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of these may be left
  expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  expect(text).toContain(`warn: told?[2J?more  taskId=${TASK}  runId=1`);
  expect(asJson(entries[0]!).split('\n')).toHaveLength(1);
  expect(JSON.parse(asJson(entries[0]!))).toMatchObject({ level: 'warn', msg: 'told\u001b[2J\nmore', taskId: TASK, runId: 1 });
});
