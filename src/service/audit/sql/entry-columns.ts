/** What of an entry is under its hash. */
export interface Entry {
  at: Date;
  kind: string;
  actor: string | null;
  taskId: string | null;
  runId: number | null;
  detail: Record<string, unknown> | null;
}

/** An entry as every statement answers it. */
export interface EntryRow extends Entry {
  /** xid8 and bigint: Postgres answers them as text. */
  tx: string;
  id: string;
}

/** The one list of columns, for a relation called `entry`. */
export const ENTRY_COLUMNS = `
       entry.tx, entry.id, entry.at, entry.kind, entry.actor, entry.task_id as "taskId", entry.run_id as "runId", entry.detail`;
