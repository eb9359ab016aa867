import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { LIST_LENGTH, signStatusList, statusListUri } from '../../../credentials/status-list.js';
import { Config } from '../../config.js';
import { ApiError } from '../../http/api-error.js';
import { Turns } from '../../http/turns.js';
import { Sql } from '../../postgres/sql.js';
import { Keyring } from '../keys/keyring.js';
import { readStatusList } from './sql/read-status-list.js';

/** The end of a run is in the list after EVERY_MS, and a cache tells the former one for so many seconds more: 4 in all, of 5 at most. */
const EVERY_MS = 1_500;
export const STATUS_TTL = 2;

/** Seconds. A verifier that cannot reach us any more believes a list for no longer. */
const LIFE = 60;

/** Nobody has asked for it lately: it is not made anew until somebody does. */
const WANTED_MS = 30_000;
const STALE_MS = 2 * EVERY_MS;

/** Anybody may ask, also for lists that are none: more are not read at once. */
const AT_ONCE = 2;
const ROOM = { all: 64, client: 64, strangers: 64 };
const ANYBODY = '';

interface List {
  /** Milliseconds of performance.now(). */
  asked: number;
  made: number;
  token: Promise<string>;
}

/** The signed status lists, made off the request path while anybody asks for them. */
@Injectable()
export class StatusLists implements OnModuleDestroy {
  private readonly lists = new Map<number, List>();
  private readonly turns = new Turns('status lists', AT_ONCE, ROOM);
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly keyring: Keyring,
    private readonly sql: Sql,
    private readonly config: Config,
  ) {}

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  /** A status list token, seconds old at most. Throws ResourceNotFound where there are no tokens. */
  async of(list: number): Promise<string> {
    const now = performance.now();
    const known = this.lists.get(list);
    if (known) known.asked = now;
    return known && now - known.made < STALE_MS ? known.token : this.remake(list, now).token;
  }

  /** One that could not be made is forgotten, and so is one that does not exist: names of lists that are none take no room. */
  private remake(list: number, asked: number): List {
    const made: List = { asked, made: performance.now(), token: this.turns.take(ANYBODY, () => this.make(list)) };
    this.lists.set(list, made);
    made.token.catch(() => this.lists.get(list) === made && this.lists.delete(list));
    this.timer ??= setInterval(() => this.renew(), EVERY_MS).unref();
    return made;
  }

  private async renew(): Promise<void> {
    const now = performance.now();
    for (const [list, { asked }] of this.lists) {
      if (now - asked > WANTED_MS) this.lists.delete(list);
      else
        await this.make(list).then(
          (token) => this.keep(list, token),
          () => undefined,
        ); // the next round tries again
    }
  }

  private keep(list: number, token: string): void {
    const known = this.lists.get(list);
    if (known) this.lists.set(list, { asked: known.asked, made: performance.now(), token: Promise.resolve(token) });
  }

  private async make(list: number): Promise<string> {
    const [row] = await this.sql.query(readStatusList, [list * LIST_LENGTH, LIST_LENGTH]);
    if (!row?.exists) throw new ApiError('ResourceNotFound', `There is no status list ${list}, or all of its tokens have expired`);
    const { ended, now } = row;
    return signStatusList(
      { uri: statusListUri(this.config.issuerUrl, list), ended, now, ttl: STATUS_TTL, life: LIFE },
      this.keyring.signer(),
    );
  }
}
