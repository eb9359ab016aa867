import { ARTIFACT_NAME, PROJECT_ID, SLUGID } from '../http/identifiers.js';
import { Page } from '../http/page.dto.js';
import { Integer, Nested, NestedList, OneOf, Text, Timestamp } from '../http/shape.js';

const STORAGE_TYPES = ['s3', 'object', 'reference', 'link', 'error'] as const;
const ERROR_REASONS = [
  'file-missing-on-worker',
  'invalid-resource-on-worker',
  'too-large-file-on-worker',
  'file-not-readable-on-worker',
] as const;
const CONTENT_TYPE = { pattern: /^[\x20-\x7e]{0,255}$/, description: 'a content type: at most 255 printable ASCII characters' };

/**
 * No backslash, which browsers take for a slash, so that others read another host. No user either: `https://bank@evil/` looks like the
 * bank, and a password would be told to everybody who may read the artifact.
 */
const WEB_URL = {
  pattern: /^[Hh][Tt][Tt][Pp][Ss]?:\/\/[!"$-.0->A-[\]-~]{1,300}([/?#][!-[\]-~]{0,8000})?$/,
  description: 'an http:// or https:// URL of printable ASCII, without user, password and backslashes',
};

class Expiring {
  @Timestamp({ description: 'When it is forgotten; not after the task' })
  expires!: string;
}

class Typed extends Expiring {
  @Text({ rule: CONTENT_TYPE, default: 'application/binary' })
  contentType!: string;
}

class Stored extends Typed {
  @Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, optional: true })
  contentLength?: number;
}

class S3ArtifactRequest extends Stored {
  @OneOf(['s3'])
  storageType!: 's3';
}

class ObjectArtifactRequest extends Stored {
  @OneOf(['object'])
  storageType!: 'object';
}

class ReferenceArtifactRequest extends Typed {
  @OneOf(['reference'])
  storageType!: 'reference';

  @Text({ rule: WEB_URL })
  url!: string;
}

class LinkArtifactRequest extends Typed {
  @OneOf(['link'])
  storageType!: 'link';

  @Text({ rule: ARTIFACT_NAME, description: 'Another artifact of this run' })
  artifact!: string;
}

class ErrorArtifactRequest extends Expiring {
  @OneOf(['error'])
  storageType!: 'error';

  @OneOf(ERROR_REASONS)
  reason!: string;

  @Text({ maxLength: 4096 })
  message!: string;
}

export const ARTIFACT_REQUESTS = {
  s3: S3ArtifactRequest,
  object: ObjectArtifactRequest,
  reference: ReferenceArtifactRequest,
  link: LinkArtifactRequest,
  error: ErrorArtifactRequest,
};
export type ArtifactRequest = InstanceType<(typeof ARTIFACT_REQUESTS)[keyof typeof ARTIFACT_REQUESTS]>;

export class ArtifactCredentials {
  @Text({})
  clientId!: string;

  @Text({})
  accessToken!: string;

  @Text({ description: 'A JSON text' })
  certificate!: string;
}

export class S3ArtifactCreated {
  @OneOf(['s3'])
  storageType!: string;

  @Text({ description: 'Where the bytes are to be PUT, with the content type below' })
  putUrl!: string;

  @Timestamp({ description: 'Until when putUrl works' })
  expires!: string;

  @Text({})
  contentType!: string;
}

export class ObjectArtifactCreated {
  @OneOf(['object'])
  storageType!: string;

  @Text({ description: 'What the object service calls it' })
  name!: string;

  @Text({ rule: PROJECT_ID })
  projectId!: string;

  @Text({ rule: SLUGID })
  uploadId!: string;

  @Timestamp({ description: 'When the artifact is forgotten' })
  expires!: string;

  @Nested(() => ArtifactCredentials, { description: 'For the upload of just this artifact' })
  credentials!: ArtifactCredentials;
}

export class ArtifactCreated {
  @OneOf(['reference', 'link', 'error'])
  storageType!: string;
}

export class FinishArtifactRequest {
  @Text({ rule: SLUGID })
  uploadId!: string;
}

export class ArtifactResponse {
  @OneOf(STORAGE_TYPES)
  storageType!: string;

  @Text({ rule: ARTIFACT_NAME })
  name!: string;

  @Timestamp()
  expires!: string;

  @Text({})
  contentType!: string;

  @Integer({ minimum: 0, optional: true, description: 'In bytes; absent where it is not known' })
  contentLength?: number;
}

export class ArtifactsResponse extends Page {
  @NestedList(() => ArtifactResponse)
  artifacts!: ArtifactResponse[];
}

export class ArtifactLocation {
  @OneOf(['s3', 'object', 'reference'])
  storageType!: string;

  @Text({ description: 'Also in the Location header' })
  url!: string;
}

export class ErrorArtifact {
  @OneOf(ERROR_REASONS)
  reason!: string;

  @Text({})
  message!: string;
}

export class UrlContent {
  @OneOf(['s3', 'reference'])
  storageType!: string;

  @Text({ description: 'Where the bytes are, for half an hour at least for those we keep' })
  url!: string;
}

export class ObjectContent {
  @OneOf(['object'])
  storageType!: string;

  @Text({ description: 'What the object service calls it' })
  name!: string;

  @Nested(() => ArtifactCredentials, { description: 'For the download of just this artifact' })
  credentials!: ArtifactCredentials;
}

export class ErrorContent extends ErrorArtifact {
  @OneOf(['error'])
  storageType!: string;
}
