import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

export interface Image {
  manifest: Descriptor & { bytes: Buffer };
  config: Descriptor & { bytes: Buffer };
  layers: (Descriptor & { bytes: Buffer })[];
}

const OCI = 'application/vnd.oci.image';

/** An image of `layers` layers of random bytes, which nobody has seen before. */
export function makeImage(layers: number, layerBytes = 1_000): Image {
  const blobs = Array.from({ length: layers }, () => described(`${OCI}.layer.v1.tar+gzip`, randomBytes(layerBytes)));
  const rootfs = { type: 'layers', diff_ids: blobs.map(({ digest }) => digest) };
  const config = described(`${OCI}.config.v1+json`, json({ architecture: 'amd64', os: 'linux', config: {}, rootfs }));
  const plain = ({ mediaType, digest, size }: Descriptor) => ({ mediaType, digest, size });
  const manifest = { schemaVersion: 2, mediaType: `${OCI}.manifest.v1+json`, config: plain(config), layers: blobs.map(plain) };
  return { manifest: described(`${OCI}.manifest.v1+json`, json(manifest)), config, layers: blobs };
}

/** Writes it as an OCI image layout (https://github.com/opencontainers/image-spec/blob/main/image-layout.md), as skopeo reads it by `oci:<directory>:<tag>`. */
export function writeLayout(directory: string, { manifest, config, layers }: Image, tag = 'latest'): void {
  const blobs = path.join(directory, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  for (const { digest, bytes } of [manifest, config, ...layers]) writeFileSync(path.join(blobs, digest.slice('sha256:'.length)), bytes);
  const { bytes: _, ...descriptor } = manifest;
  const index = { schemaVersion: 2, manifests: [{ ...descriptor, annotations: { 'org.opencontainers.image.ref.name': tag } }] };
  writeFileSync(path.join(directory, 'index.json'), json(index));
  writeFileSync(path.join(directory, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }));
}

function described(mediaType: string, bytes: Buffer): Descriptor & { bytes: Buffer } {
  return { mediaType, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size: bytes.length, bytes };
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
