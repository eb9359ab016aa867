/** A row of `worker`, with its provisioner and worker type by their own names in `taskQueueId`. */
export interface WorkerRow {
  taskQueueId: string;
  workerGroup: string;
  workerId: string;
  firstClaim: Date;
  lastDateActive: Date;
  expires: Date;
  quarantineUntil: Date | null;
  quarantined: boolean;
  quarantineDetails: { clientId: string; updatedAt: string; quarantineUntil: string; quarantineInfo?: string }[];
  recentTasks: { taskId: string; runId: number }[];
}

/** The one list of columns, for a relation called `worker`. */
export const WORKER_COLUMNS = `
       worker.task_queue_id as "taskQueueId", worker.worker_group as "workerGroup", worker.worker_id as "workerId",
       worker.first_claim as "firstClaim", worker.last_date_active as "lastDateActive", worker.expires,
       worker.quarantine_until as "quarantineUntil", coalesce(worker.quarantine_until > now(), false) as quarantined,
       worker.quarantine_details as "quarantineDetails", worker.recent_tasks as "recentTasks"`;
