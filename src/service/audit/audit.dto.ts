import { SLUGID } from '../http/identifiers.js';
import { Page } from '../http/page.dto.js';
import { Integer, JsonObject, NestedList, Text, Timestamp } from '../http/shape.js';
import { AUDIT_KINDS } from '../postgres/audit-log.js';

class AuditEntry {
  @Integer({ minimum: 1, description: 'Its number; there are no gaps' })
  seq!: number;

  @Timestamp({
    description: 'When the change was begun; of a refusal, when it was written down, a second later or once the database was back',
  })
  at!: string;

  @Text({ description: `What happened: ${AUDIT_KINDS.join(', ')}. More may come` })
  kind!: string;

  @Text({ optional: true, description: 'The client id of who did it; absent: the service, or somebody who was not believed' })
  actor?: string;

  @Text({ rule: SLUGID, optional: true, description: 'With runId, the run that did it, or that was lent something or revoked' })
  taskId?: string;

  @Integer({ minimum: 0, maximum: 1000, optional: true })
  runId?: number;

  @JsonObject({ optional: true, description: 'What is to be said besides, by kind; never a secret' })
  detail?: Record<string, unknown>;

  @Text({ description: 'In hex: SHA-256 over the canonical JSON (RFC 8785) of seq, previous (the hash before it), and all of the above' })
  hash!: string;
}

export class AuditResponse extends Page {
  @NestedList(() => AuditEntry)
  entries!: AuditEntry[];
}
