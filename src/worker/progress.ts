import { printable } from './log.js';

/** A run that is under way, as a screen shows it. */
export interface ShownRun {
  readonly taskId: string;
  readonly runId: number;
  /** Which step runs, or what the worker does for it. */
  doing: string;
  /** By performance.now(), since when it does that; and since when there is the run. */
  since: number;
  readonly begun: number;
  /** Milliseconds. */
  readonly leaseLeft: () => number;
}

/** What a screen is to the worker: process.stdout where that is a terminal. */
export interface Screen {
  write(text: string): unknown;
  columns?: number | undefined;
}

const REPAINT_EVERY = 1_000;
const UP_AND_CLEAR = (lines: number) => (lines > 0 ? `\u001b[${lines}A\u001b[0J` : '');

/** A table of what runs at the foot of a terminal, painted anew once a second. What is printed meanwhile goes above it. */
export class Progress {
  readonly #runs = new Set<ShownRun>();
  #painted = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Without a screen it paints nothing. */
  constructor(
    private readonly screen: Screen | undefined,
    private readonly capacity: number,
  ) {}

  begin(): void {
    if (this.screen) this.#timer = setInterval(() => this.#paint(), REPAINT_EVERY);
  }

  show(run: ShownRun): void {
    this.#runs.add(run);
    this.#paint();
  }

  hide(run: ShownRun): void {
    this.#runs.delete(run);
    this.#paint();
  }

  print(line: string): void {
    this.#paint(`${line}\n`);
  }

  end(): void {
    clearInterval(this.#timer);
    this.screen?.write(UP_AND_CLEAR(this.#painted));
    this.#painted = 0;
  }

  #paint(above = ''): void {
    if (!this.screen) return;
    const lines = progressTable([...this.#runs], { capacity: this.capacity, now: performance.now(), columns: this.screen.columns || 80 });
    this.screen.write(`${UP_AND_CLEAR(this.#painted)}${above}${lines.map((line) => `${line}\n`).join('')}`);
    this.#painted = lines.length;
  }
}

/** A line for each run: which one, what it does, for how long, and how much is left of its lease. None is wider than the terminal. */
export function progressTable(
  runs: readonly ShownRun[],
  { capacity, now, columns }: { capacity: number; now: number; columns: number },
): string[] {
  const head = `${runs.length} of ${capacity} running`;
  const names = Math.max(4, ...runs.map(({ doing }) => doing.length));
  const lines = runs.map(({ taskId, runId, doing, since, begun, leaseLeft }) => {
    const [all, step, lease] = [now - begun, now - since, leaseLeft()].map(shownTime);
    return `  ${taskId}/${runId}  ${doing.padEnd(names)}  ${step!.padStart(8)} of ${all!.padStart(8)}  lease ${lease}`;
  });
  return [head, ...lines].map((line) => printable(line).slice(0, Math.max(1, columns - 1)));
}

function shownTime(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [minutes, rest] = [Math.floor(seconds / 60), String(seconds % 60).padStart(2, '0')];
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}:${rest}`;
}
