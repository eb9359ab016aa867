import { ARTIFACT_NAME, RUN_ID, SLUGID } from '../http/identifiers.js';
import { UrlParam } from '../http/url-param.js';

export const TaskId = () => UrlParam('taskId', SLUGID);
export const RunId = () => UrlParam('runId', RUN_ID);
export const Name = () => UrlParam('name', ARTIFACT_NAME);

const NO_RUN = 1001;

/** Runs end at 1000; beyond is a run that does not exist, and a number that fits the database's. */
export function runNumber(runId: string): number {
  return Math.min(Number(runId), NO_RUN);
}
