/** A row of `artifact` as every statement answers it. */
export interface ArtifactRow {
  taskId: string;
  runId: number;
  name: string;
  storageType: StorageType;
  contentType: string;
  /** A bigint: Postgres answers it as text. */
  contentLength: string | null;
  expires: Date;
  expired: boolean;
  details: ArtifactDetails;
  present: boolean;
  store: StoreName | null;
  blobId: string | null;
  uploadId: string | null;
  uploaded: boolean;
  hashes: Record<string, string> | null;
}

export type StorageType = 's3' | 'object' | 'reference' | 'link' | 'error';
export type StoreName = 'disk' | 's3';

/** What a storage type without bytes holds instead. */
export interface ArtifactDetails {
  url?: string;
  artifact?: string;
  reason?: string;
  message?: string;
}

export const ARTIFACT_COLUMNS = `
       artifact.task_id as "taskId", artifact.run_id as "runId", artifact.name, artifact.storage_type as "storageType",
       artifact.content_type as "contentType", artifact.content_length as "contentLength", artifact.expires,
       artifact.expires <= now() as expired, artifact.details, artifact.present, artifact.store, artifact.blob_id as "blobId",
       artifact.upload_id as "uploadId", artifact.uploaded, artifact.hashes`;

/** Whether a run may still leave artifacts: while it runs, and for 25 minutes after an exception; a lapsed lease is one. */
export function isOpen(run: string): string {
  return `(${run}.state::text = 'running' and ${run}.taken_until > now() - interval '25 minutes'
          or ${run}.state::text = 'exception' and ${run}.resolved > now() - interval '25 minutes')`;
}

/** The same of the run that a row of `artifact` belongs to. */
export const RUN_IS_OPEN = `
       (exists (select from task
                 where task.task_id = artifact.task_id and task.run_id = artifact.run_id and ${isOpen('task')})
     or exists (select from past_run
                 where past_run.task_id = artifact.task_id and past_run.run_id = artifact.run_id and ${isOpen('past_run')}))`;

/** What artifact-created tells besides the task's status. For relations called `run` and `artifact`. */
export const CREATED_DETAIL = `json_build_object(
         'runId', artifact.run_id, 'workerGroup', run.worker_group, 'workerId', run.worker_id,
         'artifact', json_build_object(
           'storageType', artifact.storage_type, 'name', artifact.name, 'contentType', artifact.content_type,
           'expires', to_char(artifact.expires at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))`;
