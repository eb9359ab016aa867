import { Injectable } from '@nestjs/common';
import { LIST_LENGTH } from '../../../credentials/status-list.js';
import { Sql } from '../../postgres/sql.js';
import { findLastPlace } from './sql/find-last-place.js';

/** Looks follow one another no faster: whoever asks for lists that are none has us look twenty times a second, whatever they ask. */
const LOOK_EVERY_MS = 50;

/**
 * Which status lists there can be. Anybody may ask for any number, and what is no list must cost those nothing that are: beyond the last one the
 * answer is one small look, for all who ask meanwhile; up to it a number was a list once, and what is over stays over.
 */
@Injectable()
export class StatusNumbers {
  private last = -1;
  private readonly over = new Set<number>();
  /** The look that has not begun yet. */
  private next: Promise<void> | undefined;
  private looked = Number.NEGATIVE_INFINITY;

  constructor(private readonly sql: Sql) {}

  /** Whether it may have tokens. */
  async has(number: number): Promise<boolean> {
    if (number > this.last) await this.look();
    return number <= this.last && !this.over.has(number);
  }

  /** All tokens of this one have expired: it is never given another. */
  end(number: number): void {
    if (number < this.last) this.over.add(number);
  }

  /** Shares a look that begins from now on: one under way may be from before a token that somebody was just shown. */
  private look(): Promise<void> {
    this.next ??= this.lookInTime();
    return this.next;
  }

  private async lookInTime(): Promise<void> {
    await new Promise((done) => setTimeout(done, this.looked + LOOK_EVERY_MS - performance.now()));
    this.next = undefined;
    this.looked = performance.now();
    const [row] = await this.sql.query(findLastPlace);
    this.last = Math.max(this.last, Math.floor((row?.idx ?? -1) / LIST_LENGTH));
  }
}
