import { randomUUID } from 'node:crypto';

/** A random UUID (RFC 9562 §5.4) as 22 characters of base64url. */
export function slugid(): string {
  return Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url');
}
