import pg from 'pg';

const CHANNEL = 'leasehold';
const SPACING_MS = 50; // 20 notifications a second at most: pg_notify serialises commits (2 889 tx/s without, 807 with)
const PAYLOAD_LIMIT = 7_000; // Postgres refuses 8 000 bytes
const RECONNECT_MS = 500;
/** Connecting is tried again, and a hint that cannot be sent is worth no more waiting than that. */
const LIMITS = { connectionTimeoutMillis: 10_000, statement_timeout: 10_000, query_timeout: 15_000 };

/** A hint that something changed. `all` = anything may have changed (the listener was away). Never the only way to learn it. */
export interface News {
  queues: string[];
  auth: boolean;
  fleet: boolean;
  signatures: boolean;
  all: boolean;
}

/** What who was away has to believe. */
const ANYTHING: News = { queues: [], auth: true, fleet: true, signatures: true, all: true };

/**
 * Tells the other replicas what changed, and hears them. Hints are coalesced (one at once, then at most one every
 * 50 ms) and sent outside the transaction that caused them; who misses one finds out by polling.
 */
export class Bulletin {
  private readonly listeners = new Set<(news: News) => void>();
  private readonly queues = new Set<string>();
  private auth = false;
  private fleet = false;
  private signatures = false;
  private timer: NodeJS.Timeout | undefined;
  private lastSent = 0;
  private client: pg.Client | undefined;
  private closed = false;

  constructor(private readonly url: string) {}

  /** Starts to listen; keeps trying for ever, in the background. */
  async open(): Promise<void> {
    try {
      await this.connect();
    } catch {
      this.reconnectSoon();
    }
  }

  subscribe(listener: (news: News) => void): void {
    this.listeners.add(listener);
  }

  queueHasWork(taskQueueId: string): void {
    this.queues.add(taskQueueId);
    this.sendSoon();
  }

  authChanged(): void {
    this.auth = true;
    this.sendSoon();
  }

  fleetChanged(): void {
    this.fleet = true;
    this.sendSoon();
  }

  signaturePoliciesChanged(): void {
    this.signatures = true;
    this.sendSoon();
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await this.client?.end().catch(() => undefined);
  }

  private async connect(): Promise<void> {
    const client = new pg.Client({ connectionString: this.url, application_name: 'leasehold-bulletin', keepAlive: true, ...LIMITS });
    client.on('error', () => client.end().catch(() => undefined));
    client.on('end', () => {
      if (this.client === client) this.reconnectSoon();
    });
    client.on('notification', ({ payload }) => this.hear(payload));
    await client.connect();
    await client.query(`listen ${CHANNEL}`);
    this.client = client;
    if (this.closed) await client.end();
    this.tell(ANYTHING);
  }

  private reconnectSoon(): void {
    this.client = undefined;
    if (this.closed) return;
    setTimeout(() => this.closed || this.open(), RECONNECT_MS).unref();
  }

  private hear(payload: string | undefined): void {
    try {
      this.tell(JSON.parse(payload ?? '') as News);
    } catch {
      this.tell(ANYTHING); // not ours, or cut: look at everything once
    }
  }

  private tell(news: News): void {
    for (const listener of this.listeners) listener(news);
  }

  private sendSoon(): void {
    if (this.timer || this.closed) return;
    const wait = Math.max(0, this.lastSent + SPACING_MS - performance.now()); // a clock that is set back would silence us for as long
    this.timer = setTimeout(() => this.send(), wait);
  }

  private send(): void {
    this.timer = undefined;
    this.lastSent = performance.now();
    const { auth, fleet, signatures } = this;
    const news: News = { queues: [...this.queues], auth, fleet, signatures, all: false };
    this.queues.clear();
    this.auth = false;
    this.fleet = false;
    this.signatures = false;
    let payload = JSON.stringify(news);
    if (payload.length > PAYLOAD_LIMIT) payload = JSON.stringify({ ...news, queues: [], all: true } satisfies News);
    this.client?.query('select pg_notify($1, $2)', [CHANNEL, payload]).catch(() => undefined);
  }
}
