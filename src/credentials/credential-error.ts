/**
 * The presented credentials are refused. `message` is sent to the caller word for word in the body of the 401, so it never holds a key.
 *
 * Two shapes of message exist on the wire and clients match on them: what Hawk itself refuses begins with an HTTP status text
 * (`Bad Request: …`, `Unauthorized: …`); what the certificate or `ext` checks refuse is the bare sentence.
 */
export class CredentialError extends Error {
  override readonly name = 'CredentialError';
}
