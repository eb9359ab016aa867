/** A row of `signature_policy`. Those of the key set are null where there was never one. */
export interface PolicyRow {
  taskQueueId: string;
  policy: 'off' | 'warn' | 'require';
  keySetVersion: number | null;
  keySetDigest: string | null;
  keySetKeys: number | null;
  updated: Date;
  updatedBy: string | null;
}

/** Without the key set, which may be long. A version fits into a double: it was a number in JSON. */
export const POLICY_COLUMNS = `
       task_queue_id as "taskQueueId", policy, key_set_version::double precision as "keySetVersion", key_set_digest as "keySetDigest",
       key_set_keys as "keySetKeys", updated, updated_by as "updatedBy"`;
