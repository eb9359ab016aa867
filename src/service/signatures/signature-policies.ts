import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { type KeySet, readKeySet } from '../../signatures/key-set.js';
import type { SignaturePolicy } from '../../signatures/signature-policy.js';
import { Logger } from '../http/logger.js';
import { Bulletin } from '../postgres/bulletin.js';
import { KeptCopy } from '../postgres/kept-copy.js';
import { Sql } from '../postgres/sql.js';
import { type ChangedPolicyRow, listChangedPolicies } from './sql/list-changed-policies.js';
import { readPolicyRevision } from './sql/read-policy-revision.js';

/** What becomes of unsigned tasks in a task queue, and whose signatures are believed there. */
export interface QueuePolicy {
  readonly policy: SignaturePolicy;
  /** Absent: nobody's. */
  readonly keySet?: KeySet;
}

interface HeldPolicy {
  policy: SignaturePolicy;
  keySet?: KeySet;
  /** Of the key set, until somebody asks for it. */
  unread: string | null;
}

interface News {
  revision: string;
  changed: ChangedPolicyRow[];
}

const OFF: QueuePolicy = { policy: 'off' };

/**
 * The signature policies of all task queues, in memory. Another replica's change arrives by notification, at the latest by the poll of a
 * number every 2 s; a copy that could not be checked for 5 s is not to be trusted. A key set is read when it is first asked for, since
 * one of a thousand keys takes 200 ms.
 */
@Injectable()
export class SignaturePolicies implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly held = new Map<string, HeldPolicy>();
  private loaded = '0';
  private readonly copy = new KeptCopy(
    'signature policies',
    () => this.read(),
    (news) => this.load(news),
  );

  constructor(
    private readonly sql: Sql,
    private readonly bulletin: Bulletin,
    private readonly log: Logger,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.refresh();
    this.copy.follow(this.bulletin, ({ signatures }) => signatures);
  }

  onModuleDestroy(): void {
    this.copy.stop();
  }

  /** Resolves at once while the copy in memory was checked in the last 5 s; otherwise checks it, or rejects. */
  fresh(): Promise<void> {
    return this.copy.fresh();
  }

  /** Reads what has changed. Calls that come while one is under way share the one after it. */
  refresh(): Promise<void> {
    return this.copy.refresh();
  }

  /** Of what is in memory. A queue that nobody has set has policy `off`, and no keys. */
  of(taskQueueId: string): QueuePolicy {
    const held = this.held.get(taskQueueId);
    if (!held) return OFF;
    if (held.unread !== null) {
      held.keySet = this.keySetIn(held.unread, taskQueueId);
      held.unread = null;
    }
    return held;
  }

  /** Changes nothing: given up, it may end after one that began later. */
  private async read(): Promise<News | undefined> {
    const [row] = await this.sql.query(readPolicyRevision);
    if (!row || row.revision === this.loaded) return undefined;
    const changed = await this.sql.query(listChangedPolicies, [this.loaded]);
    return { revision: row.revision, changed }; // the number first: at worst the rows are newer and are read once more
  }

  private load(news: News | undefined): void {
    if (!news) return;
    for (const { taskQueueId, policy, keySet } of news.changed) this.held.set(taskQueueId, { policy, unread: keySet });
    this.loaded = news.revision;
  }

  /** One key set that cannot be read (somebody changed the table) counts as none, for its queue alone. */
  private keySetIn(text: string, taskQueueId: string): KeySet | undefined {
    try {
      return readKeySet(text);
    } catch (error) {
      this.log.error({ taskQueueId, err: error }, 'the key set of a task queue cannot be read, so nobody is believed there; set it again');
      return undefined;
    }
  }
}
