import { readFile } from 'node:fs/promises';
import type { createLeaseholdClient } from '../../src/client/client.js';
import { type SigningRequest, signTaskRequest } from '../../src/client/sign-task-request.js';
import { signerOf } from '../../src/signatures/signer.js';

/* A creator's program that signs what it creates. docs/signatures.md shows it, and signed-task.test.ts holds it to it. */

type Client = ReturnType<typeof createLeaseholdClient>;

export async function createSigned(client: Client, keyFile: string, request: SigningRequest) {
  const signer = signerOf(JSON.parse(await readFile(keyFile, 'utf8')));
  const body = await signTaskRequest(signer, request);
  const path = { taskId: request.taskId };
  const { data, error } = await client.PUT('/api/queue/v1/task/{taskId}', { params: { path }, body });
  if (!data) throw new Error(error.message);
  return data.status;
}
