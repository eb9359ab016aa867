import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { normalHolder } from '../../../scopes/scope-set.js';
import type { CallerRun, UseRecord } from '../../http/caller.js';
import { Logger } from '../../http/logger.js';
import { LateWriter } from '../../postgres/late-writer.js';
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
/** Uses noted and not written yet. */
const MOST_UNWRITTEN = 10_000;
/** Of one run, noted at all: as many as one that gives all its scopes to its tasks. The others are to find room, too. */
export const MOST_OF_RUN = 5_000;
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
  private readonly writer: LateWriter<Use>;

  constructor(
    private readonly sql: Sql,
    logger: Logger,
  ) {
    const how = {
      ...{ what: 'uses of scopes', most: MOST_UNWRITTEN, everyMs: FLUSH_MS },
      write: (uses: Use[]) => this.write(uses),
      failed: (uses: Use[]) => this.forgetAll(uses), // noted when they are used again
    };
    this.writer = new LateWriter(how, logger);
  }

  used({ taskId, runId }: Pick<CallerRun, 'taskId' | 'runId'>, scope: string): void {
    const run = `${taskId}/${runId}`;
    const known = this.known.get(run);
    if (known?.has(scope) || scope.length > LONGEST_NOTED || (known && known.size >= MOST_OF_RUN)) return;
    if (this.writer.add({ taskId, runId, scope, at: performance.now() })) this.remember(run, known ?? new Set(), scope);
  }

  /**
   * For a caller that chose what to use of these scopes: notes the one of them that it belongs to. What was given is bounded; the texts that a
   * pattern covers are not, and each would be a row.
   */
  of(held: readonly string[]): UseRecord {
    return {
      used: (run, scope) => {
        const given = normalHolder(held, scope);
        if (given !== undefined) this.used(run, given);
      },
    };
  }

  /** Writes down what was noted until now. */
  flush(): Promise<void> {
    return this.writer.flush();
  }

  async onModuleDestroy(): Promise<void> {
    await this.writer.close();
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

  private forgetAll(uses: readonly Use[]): void {
    for (const { taskId, runId } of uses) this.forget(`${taskId}/${runId}`);
  }

  /** In one order on every replica, so that batches that meet wait for one another in turn. */
  private async write(uses: Use[]): Promise<void> {
    uses.sort((a, b) => compare(a.taskId, b.taskId) || a.runId - b.runId || compare(a.scope, b.scope));
    const now = performance.now();
    const ages = uses.map(({ at }) => Math.round(now - at));
    const columns = [uses.map((use) => use.taskId), uses.map((use) => use.runId), uses.map((use) => use.scope), ages];
    await this.sql.query(recordUses, [...columns, MOST_OF_RUN]);
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
