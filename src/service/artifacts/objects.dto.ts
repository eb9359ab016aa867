import { PROJECT_ID, SLUGID } from '../http/identifiers.js';
import { Flag, Integer, JsonObject, Nested, OneOf, Text, TextMap, Timestamp } from '../http/shape.js';

const SHA256 = { pattern: /^[0-9a-f]{64}$/, description: 'a SHA-256 in lower-case hexadecimal' };
const SHA512 = { pattern: /^[0-9a-f]{128}$/, description: 'a SHA-512 in lower-case hexadecimal' };

/** 8 KiB, says the protocol's clients; in base64, with room. */
const MOST_INLINE = 65_536;

export class ObjectHashes {
  @Text({ rule: SHA256, optional: true })
  sha256?: string;

  @Text({ rule: SHA512, optional: true })
  sha512?: string;
}

class DataInline {
  @Text({ maxLength: 255, description: 'Not looked at: the artifact has one' })
  contentType!: string;

  @Text({ maxLength: MOST_INLINE, description: 'The bytes in base64' })
  objectData!: string;
}

class PutUrl {
  @Text({ maxLength: 255, description: 'Not looked at: the artifact has one' })
  contentType!: string;

  @Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
  contentLength!: number;
}

class ProposedUploadMethods {
  @Nested(() => DataInline, { optional: true })
  dataInline?: DataInline;

  @Nested(() => PutUrl, { optional: true })
  putUrl?: PutUrl;
}

export class CreateUploadRequest {
  @Text({ rule: PROJECT_ID })
  projectId!: string;

  @Text({ rule: SLUGID })
  uploadId!: string;

  @Timestamp({ description: 'That of the artifact' })
  expires!: string;

  @Nested(() => ObjectHashes, { optional: true, description: 'Not looked at before the end' })
  hashes?: ObjectHashes;

  @Nested(() => ProposedUploadMethods, { optional: true })
  proposedUploadMethods?: ProposedUploadMethods;
}

class PutUrlMethod {
  @Text({})
  url!: string;

  @Timestamp({ description: 'Until when the URL works' })
  expires!: string;

  @TextMap({ maxLength: 255, description: 'To be sent along' })
  headers!: Record<string, string>;
}

class UploadMethod {
  @Flag({ optional: true, description: 'The bytes in the request were taken' })
  dataInline?: boolean;

  @Nested(() => PutUrlMethod, { optional: true })
  putUrl?: PutUrlMethod;
}

export class CreateUploadResponse {
  @Text({ rule: PROJECT_ID })
  projectId!: string;

  @Text({ rule: SLUGID })
  uploadId!: string;

  @Timestamp()
  expires!: string;

  @Nested(() => UploadMethod, { description: 'One of those that were proposed; none if none was' })
  uploadMethod!: UploadMethod;
}

export class FinishUploadRequest {
  @Text({ rule: PROJECT_ID })
  projectId!: string;

  @Text({ rule: SLUGID })
  uploadId!: string;

  @Nested(() => ObjectHashes, { optional: true, description: 'Of the bytes as they were sent; compared with ours' })
  hashes?: ObjectHashes;
}

export class FinishUploadResponse {}

class AcceptDownloadMethods {
  @Flag({ optional: true })
  simple?: boolean;

  @Flag({ optional: true })
  getUrl?: boolean;
}

export class StartDownloadRequest {
  @Nested(() => AcceptDownloadMethods)
  acceptDownloadMethods!: AcceptDownloadMethods;
}

export class SimpleDownload {
  @OneOf(['simple'])
  method!: string;

  @Text({})
  url!: string;
}

export class GetUrlDownload {
  @OneOf(['getUrl'])
  method!: string;

  @Text({})
  url!: string;

  @Timestamp({ description: 'Until when the URL works' })
  expires!: string;

  @JsonObject({ description: 'sha256 and sha512 of the bytes' })
  hashes!: object;
}
