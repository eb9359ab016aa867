import { appendFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { jest } from '@jest/globals';
import { SetupError } from '../state/setup-error.js';
import { StateDir } from '../state/state-dir.js';
import { SeenRuns } from './seen-runs.js';

const NOW = 1_800_000_000;
const EXP = NOW + 600;
const taskId = 'fN1SbArXTPSVFNUvaOlinQ';
const run = (runId: number) => ({ taskId, runId });

let directory: string;
let state: StateDir;
let runs: SeenRuns;
const open = (now = NOW) => {
  state = StateDir.open(directory);
  runs = SeenRuns.open(state, now);
};
const close = () => {
  runs.close();
  state.close();
};
const restart = (now = NOW) => {
  close();
  open(now);
};
const file = () => path.join(directory, 'begun-runs');
const has = (one: { taskId: string; runId: number }) => readFileSync(file(), 'utf8').includes(`${one.taskId}/${one.runId} `);

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'leasehold-seen-'));
  open();
});
afterEach(() => {
  close();
  rmSync(directory, { recursive: true, force: true });
});

it('(41) a run begins once', () => {
  expect(has(run(0))).toBe(false);
  expect(runs.begin(run(0), EXP, NOW)).toBe(true);
  expect(has(run(0))).toBe(true);
  expect(runs.begin(run(0), EXP, NOW)).toBe(false);
  expect(runs.begin(run(0), EXP + 1, NOW)).toBe(false);
  expect(runs.begin(run(1), EXP, NOW)).toBe(true);
  expect(runs.begin({ taskId: 'dSlITZ4yQgmvxxAi4A8fHQ', runId: 0 }, EXP, NOW)).toBe(true);
});

it('(41) also after a restart, which may come at any time: it is on disk before anybody is told', () => {
  runs.begin(run(0), EXP, NOW);
  expect(readFileSync(file(), 'utf8')).toBe(`${taskId}/0 ${EXP}\n`);
  restart();
  expect(runs.begin(run(0), EXP, NOW)).toBe(false);
  expect(runs.begin(run(1), EXP, NOW)).toBe(true);
  restart();
  expect([0, 1, 2].map((runId) => has(run(runId)))).toEqual([true, true, false]);
});

it.each([NOW * 1000, Number.NaN, 0])('(41) a clock that says %d forgets nothing: it is refused', (now) => {
  runs.begin(run(0), EXP, NOW);
  expect(() => SeenRuns.open(state, now)).toThrow(/unix seconds/);
  expect(() => runs.begin(run(1), EXP, now)).toThrow(/unix seconds/);
  expect(() => runs.begin(run(1), now, NOW)).toThrow(/unix seconds/);
  expect(() => runs.assertCanBegin(now)).toThrow(/unix seconds/);
  expect(readFileSync(file(), 'utf8')).toBe(`${taskId}/0 ${EXP}\n`);
});

it('(41) a fraction of a second is counted for one', () => {
  runs.begin(run(0), EXP + 0.1, NOW + 0.5);
  expect(readFileSync(file(), 'utf8')).toBe(`${taskId}/0 ${EXP + 1}\n`);
});

it('(41) is remembered a day longer than its signature is good, and then forgotten at the next start', () => {
  runs.begin(run(0), EXP, NOW);
  restart(EXP + 86_400); // as where the clock is hours ahead
  expect(has(run(0))).toBe(true);
  restart(EXP + 86_401);
  expect(has(run(0))).toBe(false);
  expect(readFileSync(file(), 'utf8')).toBe('');
});

it('(41) a last line that was cut off is of a run that did not begin', () => {
  runs.begin(run(0), EXP, NOW);
  appendFileSync(file(), `${taskId}/1 18000`);
  restart();
  expect([0, 1].map((runId) => has(run(runId)))).toEqual([true, false]);
  runs.begin(run(2), EXP, NOW);
  expect(readFileSync(file(), 'utf8')).toBe(`${taskId}/0 ${EXP}\n${taskId}/2 ${EXP}\n`);
});

it.each(['x', `${taskId}/1`, `${taskId}/1 18000\0`, `${taskId} 0 ${EXP}`, ''])(
  '(41) a line %j in it stops the worker, with the fix',
  (line) => {
    runs.begin(run(0), EXP, NOW);
    appendFileSync(file(), `${line}\n`);
    expect(() => SeenRuns.open(state, NOW)).toThrow(SetupError);
    expect(() => SeenRuns.open(state, NOW)).toThrow(/Line 2 of begun-runs .* is damaged: remove it once .* have ended, not before/);
  },
);

it('(41) what cannot be written does not begin, and is no harm to what is written later', () => {
  jest.spyOn(state, 'openFile').mockImplementationOnce(() => openSync('/dev/full', 'a'));
  jest.spyOn(state, 'holds').mockReturnValueOnce(true);
  runs = SeenRuns.open(state, NOW);
  expect(() => runs.begin(run(0), EXP, NOW)).toThrow(/ENOSPC/);
  expect(has(run(0))).toBe(false);
  appendFileSync(file(), `${taskId}/9 18`); // what a full disk leaves
  jest.spyOn(state, 'replace').mockImplementationOnce(() => { throw new Error('ENOSPC'); }); // biome-ignore format: one thing
  expect(() => runs.assertCanBegin(NOW)).toThrow(/ENOSPC/);
  expect(() => runs.assertCanBegin(NOW)).not.toThrow();
  expect(runs.begin(run(1), EXP, NOW)).toBe(true);
  expect(readFileSync(file(), 'utf8')).toBe(`${taskId}/1 ${EXP}\n`);
});

describe('while the worker runs', () => {
  const aside = () => `${directory}-aside`;
  afterEach(() => rmSync(aside(), { recursive: true, force: true }));

  it.each<[string, () => void]>([
    ['removed', () => rmSync(file())],
    ['replaced', () => [rmSync(file()), writeFileSync(file(), '')]],
  ])('(41) the file is %s: it is written anew, and nothing is forgotten', (_, ruin) => {
    runs.begin(run(0), EXP, NOW);
    ruin();
    expect(runs.begin(run(1), EXP, NOW)).toBe(true);
    restart();
    expect([0, 1].map((runId) => runs.begin(run(runId), EXP, NOW))).toEqual([false, false]);
  });

  it.each<[string, () => void]>([
    ['removed', () => undefined],
    ['replaced', () => mkdirSync(directory, { mode: 0o700 })],
  ])('(41) the directory is %s: nothing begins until it is back', (_, replace) => {
    runs.begin(run(0), EXP, NOW);
    renameSync(directory, aside());
    replace();
    for (const attempt of [() => runs.begin(run(1), EXP, NOW), () => runs.assertCanBegin(NOW)]) {
      expect(attempt).toThrow(SetupError);
      expect(attempt).toThrow(/was taken away: put it back/);
    }
    rmSync(directory, { recursive: true, force: true });
    renameSync(aside(), directory);
    expect(runs.begin(run(1), EXP, NOW)).toBe(true);
    expect([0, 1].map((runId) => has(run(runId)))).toEqual([true, true]);
  });
});

describe('half a million runs', () => {
  const fill = (endOf: (nth: number) => number) => {
    const lines = Array.from({ length: 500_000 }, (_, n) => `${String(n).padStart(8, '0')}TPSVFNUvaOlinQ/0 ${endOf(n)}\n`);
    close();
    writeFileSync(file(), lines.join(''));
    open();
  };

  it('(41) that are still good are all that is remembered: none more begins, for none may be forgotten', () => {
    fill(() => EXP);
    expect(() => runs.begin(run(0), EXP, NOW)).toThrow(SetupError);
    expect(() => runs.begin(run(0), EXP, NOW)).toThrow(/500000 runs are remembered .* sign for a shorter time/);
    expect(() => runs.assertCanBegin(NOW)).toThrow(SetupError);
    expect(has({ taskId: '00000000TPSVFNUvaOlinQ', runId: 0 })).toBe(true);
  });

  it('(41) that are over make room, also while the worker runs', () => {
    fill(() => EXP);
    expect(runs.begin(run(0), EXP + 99_999, EXP + 86_401)).toBe(true);
    expect(readFileSync(file(), 'utf8')).toBe(`${taskId}/0 ${EXP + 99_999}\n`);
  });

  it('(41) of which one is over each second make room once a minute: that is a second of work', () => {
    fill((nth) => EXP + nth);
    const [replaced, at] = [jest.spyOn(state, 'replace'), EXP + 86_401];
    const begun = (seconds: number) => {
      const now = at + seconds;
      try {
        return runs.begin(run(seconds), now + 600, now);
      } catch (error) {
        return (error as Error).constructor;
      }
    };
    expect([0, 1, 2, 59, 60, 61].map(begun)).toEqual([true, SetupError, SetupError, SetupError, true, true]);
    expect(replaced).toHaveBeenCalledTimes(2);
  });
});
