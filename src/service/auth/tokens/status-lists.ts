import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { LIST_LENGTH, mark, signStatusList, statusListUri } from '../../../credentials/status-list.js';
import { Config } from '../../config.js';
import { ApiError } from '../../http/api-error.js';
import { Turns } from '../../http/turns.js';
import { Sql } from '../../postgres/sql.js';
import { Keyring } from '../keys/keyring.js';
import { readStatusList } from './sql/read-status-list.js';
import { STATUS_EVERY_MS, STATUS_LIFE, STATUS_OLDEST_MS, STATUS_TTL } from './status-life.js';
import { StatusNumbers } from './status-numbers.js';
import { StatusPlaces } from './status-places.js';

/** Nobody has asked for it lately: it is not made anew until somebody does. */
const WANTED_MS = 30_000;

/** Of what making a list took, so much is waited before the next one: all lists together take a fifth of one connection's time. */
const REST = 4;

/** Lists that wait to be made: as many as are asked for, since whoever asks for one of them waits for the same. */
const ROOM = { all: 64, client: 64, strangers: 63 };
const ANYBODY = '';
const OURSELVES = 'status lists';

interface List {
  /** Milliseconds of performance.now(): when somebody asked for it, and before it was read. */
  asked: number;
  read: number;
  /** Undefined until it was made. */
  token?: string;
  /** Those whose tokens are good no more for good, by their order in the database: they are not looked up again. */
  ended: Buffer;
  /** The same, by their places. */
  told: Buffer;
  making?: Promise<void> | undefined;
}

/** The signed status lists, made off the request path while anybody asks for them. */
@Injectable()
export class StatusLists implements OnModuleDestroy {
  private readonly lists = new Map<number, List>();
  private readonly turns = new Turns('status lists', 1, ROOM);
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(
    private readonly keyring: Keyring,
    private readonly sql: Sql,
    private readonly config: Config,
    private readonly places: StatusPlaces,
    private readonly numbers: StatusNumbers,
  ) {}

  onModuleDestroy(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  /** A status list token. Throws ResourceNotFound where there are no tokens, and ServiceUnavailable rather than to answer an old one. */
  async of(number: number): Promise<string> {
    const now = performance.now();
    const list = this.lists.get(number) ?? (await this.begun(number));
    list.asked = now;
    if (!isFresh(list)) await this.renewed(number, list, ANYBODY);
    if (isFresh(list)) return list.token;
    throw new ApiError('ServiceUnavailable', `Status list ${number} cannot be made in time; try again soon`);
  }

  private async begun(number: number): Promise<List> {
    if (!(await this.numbers.has(number))) throw noList(number);
    const known = this.lists.get(number);
    if (known) return known;
    const list: List = { asked: 0, read: 0, ended: Buffer.alloc(LIST_LENGTH / 8), told: Buffer.alloc(LIST_LENGTH / 8) };
    this.lists.set(number, list);
    this.renewSoon(STATUS_EVERY_MS);
    return list;
  }

  private renewSoon(wait: number): void {
    if (!this.stopped) this.timer ??= setTimeout(() => this.renewAll(), wait).unref();
  }

  /** The next round begins after this one has ended. */
  private async renewAll(): Promise<void> {
    const began = performance.now();
    for (const [number, list] of [...this.lists]) {
      if (began - list.asked > WANTED_MS) this.lists.delete(number);
      else await this.renewed(number, list, OURSELVES).catch(() => undefined); // the next round tries again
    }
    this.timer = undefined;
    if (this.lists.size > 0) this.renewSoon(Math.max(0, began + STATUS_EVERY_MS - performance.now()));
  }

  /** Whoever wants it while it is made waits for that one: it is never made twice at once, so an older one never follows a newer one. */
  private renewed(number: number, list: List, account: string): Promise<void> {
    list.making ??= this.inTurn(account, () => this.renew(number, list))
      .catch((error) => {
        if (list.token === undefined) this.forget(number, list);
        throw error;
      })
      .finally(() => {
        list.making = undefined;
      });
    return list.making;
  }

  /** The turn is passed on after the rest; what was made is there before. */
  private inTurn(account: string, make: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const work = async () => {
        const began = performance.now();
        await make().then(resolve, reject);
        const rest = Math.min(REST * (performance.now() - began), STATUS_OLDEST_MS);
        await new Promise((done) => setTimeout(done, rest).unref());
      };
      this.turns.take(account, work).catch(reject);
    });
  }

  private async renew(number: number, list: List): Promise<void> {
    const began = performance.now();
    const [row] = await this.sql.query(readStatusList, [number * LIST_LENGTH, LIST_LENGTH, list.ended]);
    if (!row?.exists) {
      this.forget(number, list);
      this.numbers.end(number);
      throw noList(number);
    }
    const places = this.places.ofList(number);
    const placed = (order: number[]) => order.map((nth) => places[nth] as number);
    mark(list.ended, row.ended);
    mark(list.told, placed(row.ended));
    const bits = Buffer.from(list.told);
    mark(bits, placed(row.lapsed));
    const terms = { uri: statusListUri(this.config.issuerUrl, number), bits, now: row.now, ttl: STATUS_TTL, life: STATUS_LIFE };
    list.token = await signStatusList(terms, await this.keyring.freshSigner());
    list.read = began;
  }

  private forget(number: number, list: List): void {
    if (this.lists.get(number) === list) this.lists.delete(number);
  }
}

function noList(number: number): ApiError {
  return new ApiError('ResourceNotFound', `There is no status list ${number}, or all of its tokens have expired`);
}

function isFresh(list: List): list is List & { token: string } {
  return list.token !== undefined && performance.now() - list.read < STATUS_OLDEST_MS;
}
