import { SCOPE_PATTERN } from '../../scopes/scope.js';
import type { Rule } from './url-param.js';

/** The identifiers of the wire protocol. Each says in words what its pattern means, for documents and refusals. */
export const SLUGID: Rule = {
  pattern: /^[A-Za-z0-9_-]{8}[Q-T][A-Za-z0-9_-][CGKOSWaeimquy26-][A-Za-z0-9_-]{10}[AQgw]$/,
  description: 'a slugid: a version 4 UUID as 22 characters of URL-safe base64',
};
export const RUN_ID: Rule = { pattern: /^[0-9]+$/, description: 'a run id: an integer from 0 to 1000' };
export const TASK_QUEUE_ID: Rule = {
  pattern: /^[a-zA-Z0-9_-]{1,38}\/[a-z]([-a-z0-9]{0,36}[a-z0-9])?$/,
  description: 'a task queue id: <provisionerId>/<workerType>, each of 1 to 38 characters',
};
/** A task queue by all its names: clients name it as one id or as its two parts. */
export function taskQueueNames(taskQueueId: string): { provisionerId: string; workerType: string; taskQueueId: string } {
  const [provisionerId = '', workerType = ''] = taskQueueId.split('/');
  return { provisionerId, workerType, taskQueueId };
}

export const PROVISIONER_ID: Rule = { pattern: /^[a-zA-Z0-9_-]{1,38}$/, description: '1 to 38 letters, digits, - or _' };
export const WORKER_TYPE: Rule = {
  pattern: /^[a-z]([-a-z0-9]{0,36}[a-z0-9])?$/,
  description: '1 to 38 lower-case letters, digits or -, beginning with a letter and not ending in -',
};
export const WORKER_PART: Rule = { pattern: /^[a-zA-Z0-9_-]{1,38}$/, description: '1 to 38 letters, digits, - or _' };
export const PROJECT_ID: Rule = { pattern: /^[a-zA-Z0-9._/-]{1,500}$/, description: '1 to 500 letters, digits or ._/-' };
export const CLIENT_ID: Rule = { pattern: /^[A-Za-z0-9!@/:.+|_-]{1,1024}$/, description: 'a client id: letters, digits or !@/:.+|_-' };
export const ROLE_ID: Rule = {
  pattern: /^[\x21\x23-\x5b\x5d-\x7e]{1,1024}$/,
  description: 'a role id: printable ASCII without space, double quote and backslash, because assume:<roleId> is a scope',
};
export const ARTIFACT_NAME: Rule = {
  pattern: /^[\x20-\x7e]{1,1024}$/,
  description: 'an artifact name: 1 to 1024 printable ASCII characters',
};
export const SCOPE: Rule = {
  pattern: SCOPE_PATTERN,
  description: 'a scope: printable ASCII without space, double quote and backslash',
};
