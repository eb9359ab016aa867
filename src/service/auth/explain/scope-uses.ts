import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { CallerRun, UseRecord } from '../../http/caller.js';
import { Logger } from '../../http/logger.js';
import { Sql } from '../../postgres/sql.js';
import { recordUses } from '../sql/record-uses.js';

interface Use {
  taskId: string;
  runId: number;
  scope: string;
  /** By the clock that nobody sets. */
  at: number;
}

const FLUSH_MS = 1_000;
/** Characters; what is longer is not noted. An index holds no longer keys, and scopes that a person wrote are far shorter. */
export const LONGEST_NOTED = 2_048;
/** Uses noted and not written yet. While the database hangs, writing takes up to 35 s. */
const MOST_UNWRITTEN = 10_000;
/** Of one run: as many as one that gives all its scopes to its tasks. The others are to find room, too. */
const MOST_OF_RUN = 5_000;
/** Uses that need not be noted again, of all runs together; with 100 characters each, some megabytes. */
const REMEMBERED = 50_000;
const REMEMBERED_CHARACTERS = 8 * 1024 * 1024;

/**
 * Notes which of its scopes a run used, and writes that down in batches, a second late, once each: it is for people who look what a task
 * needs, and no call should wait for it. One that used the same scope before costs two look-ups in memory. It is no proof: what
 * there is too much of, or could not be written, is noted when it is used again, or not at all.
 */
@Injectable()
export class ScopeUses implements OnModuleDestroy, UseRecord {
  private readonly known = new Map<string, Set<string>>();
  private remembered = 0;
  private characters = 0;
  private unwritten: Use[] = [];
  private lost = 0;
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly sql: Sql,
    private readonly logger: Logger,
  ) {}

  used({ taskId, runId }: Pick<CallerRun, 'taskId' | 'runId'>, scope: string): void {
    const run = `${taskId}/${runId}`;
    const known = this.known.get(run);
    if (known?.has(scope) || scope.length > LONGEST_NOTED) return;
    if (this.unwritten.length >= MOST_UNWRITTEN || (known && known.size >= MOST_OF_RUN)) {
      this.lost++;
      return;
    }
    this.remember(run, known ?? new Set(), scope);
    this.unwritten.push({ taskId, runId, scope, at: performance.now() });
    this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  /** Writes down what was noted until now. */
  flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.writing = this.writing.then(() => this.write());
    return this.writing;
  }

  async onModuleDestroy(): Promise<void> {
    await this.flush();
  }

  /** The run that used something new last is forgotten last. */
  private remember(run: string, scopes: Set<string>, scope: string): void {
    this.known.delete(run);
    this.known.set(run, scopes.add(scope));
    this.remembered++;
    this.characters += scope.length;
    for (const oldest of this.known.keys()) {
      if (oldest === run || (this.remembered <= REMEMBERED && this.characters <= REMEMBERED_CHARACTERS)) return;
      this.forget(oldest);
    }
  }

  private forget(run: string): void {
    for (const { length } of this.known.get(run) ?? []) {
      this.remembered--;
      this.characters -= length;
    }
    this.known.delete(run);
  }

  /** In one order on every replica, so that batches that meet wait for one another in turn. */
  private async write(): Promise<void> {
    const uses = this.unwritten.sort((a, b) => compare(a.taskId, b.taskId) || a.runId - b.runId || compare(a.scope, b.scope));
    this.unwritten = [];
    if (this.lost > 0) this.logger.warn({ uses: this.lost }, 'runs used more scopes at once than can be noted; the others were not');
    this.lost = 0;
    if (uses.length === 0) return;
    try {
      const now = performance.now();
      const ages = uses.map(({ at }) => Math.round(now - at));
      await this.sql.query(recordUses, [uses.map((use) => use.taskId), uses.map((use) => use.runId), uses.map((use) => use.scope), ages]);
    } catch (err) {
      for (const { taskId, runId } of uses) this.forget(`${taskId}/${runId}`);
      this.logger.warn({ err, uses: uses.length }, 'uses of scopes were lost; they are noted when they are used again');
    }
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
