import { ARTIFACT_COLUMNS, type ArtifactRow, RUN_IS_OPEN } from './artifact-columns.js';

/** An artifact that somebody wants to upload. */
export interface UploadRow extends ArtifactRow {
  projectId: string;
  runOpen: boolean;
}

/** For `artifact join task`. */
export const UPLOAD_COLUMNS = `${ARTIFACT_COLUMNS}, task.project_id as "projectId", ${RUN_IS_OPEN} as "runOpen"`;
