import { type Answer, type Credentials, slugid } from '../support/api.js';
import { ok } from '../support/tasks.js';
import type { Refusal } from './operation.js';
import { PROJECT, soon, type World } from './world.js';

/** Of any kind, and the type is kept: so every reader gets bytes of it, and does not look into them. */
const TYPE = 'application/octet-stream';
export const BYTES = '0123456789';

interface Named {
  params: { taskId: string; runId: string; name: string };
}

export const wish = {
  s3: () => ({ storageType: 's3', expires: soon(), contentType: TYPE }),
  object: () => ({ storageType: 'object', expires: soon(), contentType: TYPE }),
  reference: () => ({ storageType: 'reference', expires: soon(), contentType: TYPE, url: 'https://example.com/x' }),
  link: (artifact = 'public/other') => ({ storageType: 'link', expires: soon(), artifact }),
  error: () => ({ storageType: 'error', expires: soon(), reason: 'file-missing-on-worker', message: 'no such file' }),
};

/** Of the run that `params` name. */
export const artifactPath = ({ taskId, runId, name }: Named['params'], of = 'artifacts') =>
  `/queue/v1/task/${taskId}/runs/${runId}/${of}/${encodeURIComponent(name)}`;

/** Another artifact of the same run. */
export async function beside({ params }: Named, { root }: World, name: string, wanted: object): Promise<Answer['body']> {
  return ok(root.post(artifactPath({ ...params, name }), wanted));
}

/** An artifact of a new run, announced. */
export async function announced(world: World, wanted: object = wish.s3(), name = 'public/a') {
  const { params, credentials } = await world.run({ projectId: PROJECT });
  const named = { params: { ...params, name }, credentials };
  return { ...named, created: await beside(named, world, name, wanted) };
}

/** And its bytes are there. */
export async function uploaded(world: World) {
  const artifact = await announced(world);
  expect(await fetch(artifact.created.putUrl, { method: 'PUT', body: BYTES })).toMatchObject({ status: 200 });
  return artifact;
}

/** A call of a URL that was answered. */
export function callOf(href: string): { params: { blobId: string }; query: Record<string, string> } {
  const { pathname, searchParams } = new URL(href);
  return { params: { blobId: pathname.split('/').at(-1) ?? '' }, query: Object.fromEntries(searchParams) };
}

export const textAt = async (url: string) => (await fetch(url)).text();

/** Sets the end of all artifacts of the task to a second ago. */
export async function expire({ params }: { params: { taskId: string } }, { test }: World): Promise<void> {
  await test.database.pool.query(`update artifact set expires = now() - interval '1 second' where task_id = $1`, [params.taskId]);
}

const objectPath = (verb: string, name: string) => `/api/object/v1/${verb}/${encodeURIComponent(name)}`;

/** An object that is announced; `params.name` is what the object service calls it. */
export async function announcedObject(world: World) {
  const { params, credentials, created } = await announced(world, wish.object());
  const { name, projectId, uploadId, expires } = created;
  const proposedUploadMethods = { dataInline: { contentType: TYPE, objectData: Buffer.from(BYTES).toString('base64') } };
  return {
    ...{ params: { name: name as string }, artifact: { params }, run: credentials, lent: created.credentials as Credentials },
    terms: { projectId: projectId as string, uploadId: uploadId as string },
    upload: { projectId, uploadId, expires: expires as string, proposedUploadMethods },
  };
}

/** Its bytes are there. */
export async function uploadedObject(world: World) {
  const object = await announcedObject(world);
  await ok(world.root.put(objectPath('upload', object.params.name), object.upload));
  return object;
}

/** And it is complete. */
export async function completeObject(world: World) {
  const object = await uploadedObject(world);
  await ok(world.root.post(objectPath('finish-upload', object.params.name), object.terms));
  return object;
}

/** And it is shown. */
export async function shownObject(world: World) {
  const object = await completeObject(world);
  const { uploadId } = object.terms;
  expect(await world.root.put(artifactPath(object.artifact.params), { uploadId })).toMatchObject({ status: 204 });
  return object;
}

interface OfObject extends Awaited<ReturnType<typeof announcedObject>> {
  body: { projectId: string; uploadId: string };
}

/** What createUpload and finishUpload have in common. */
export const uploading = {
  scopes: ({ params, body }: OfObject) => [[`object:upload:${body.projectId}:${params.name}`]],
  unknown: () => ({ name: `t/${slugid()}/0/public/a` }),
  refusals: {
    'of another project': { call: { body: { projectId: 'other' } }, code: 'ResourceNotFound', says: /does not exist/ },
    'what is no object': {
      call: async (_, world) => {
        const { taskId } = (await announced(world)).params;
        return { params: { name: `t/${taskId}/0/public/a` } };
      },
      ...{ code: 'ResourceNotFound', says: /does not exist/ },
    },
    'by another upload id': { call: { body: { uploadId: slugid() } }, code: 'RequestConflict', says: /has another uploadId/ },
    'its run is over': {
      before: ({ artifact }, { tasks }) => ok(tasks.report('completed', artifact.params.taskId)),
      ...{ code: 'RequestConflict', says: /is over; it takes no more/ },
    },
    'it has expired': { before: ({ artifact }, world) => expire(artifact, world), code: 'RequestConflict', says: /has expired/ },
    'with what another was lent': {
      call: async (_, world) => ({ as: (await announcedObject(world)).lent }),
      ...{ code: 'InsufficientScopes', says: /object:upload:/ },
    },
  } satisfies Record<string, Refusal<OfObject>>,
};

interface ToDownload {
  params: { name: string };
  artifact: Named;
}

/** What startDownload and download have in common. */
export const downloading = {
  scopes: ({ params }: ToDownload) => [[`object:download:${params.name}`]],
  unknown: () => ({ name: `t/${slugid()}/0/public/a` }),
  refusals: {
    'it is not complete': {
      call: async (_, world) => ({ params: (await uploadedObject(world)).params }),
      ...{ code: 'ResourceNotFound', says: /is not finished/ },
    },
    'it has expired': { before: ({ artifact }, world) => expire(artifact, world), code: 'ResourceNotFound', says: /does not exist/ },
    'with what was lent to upload it': {
      call: async (_, world) => ({ as: (await shownObject(world)).lent }),
      ...{ code: 'InsufficientScopes', says: /object:download:/ },
    },
  } satisfies Record<string, Refusal<ToDownload>>,
};

/** Credentials for the download of an object, as its readers are lent them. */
export async function lentToRead({ artifact }: ToDownload, { root }: World) {
  return (await ok(root.get(artifactPath(artifact.params, 'artifact-content')))).credentials;
}
