/** Characters. What is shorter is in many a text by chance, and neither tokens nor passwords are of so few. */
const SHORTEST_SECRET = 6;

/** A scope that a registry has named, for people. It may be anything: it is repeated only if it looks like what it should be. */
export function quotedScope(scope = ''): string {
  return /^[a-z0-9:/._,()* -]{1,300}$/.test(scope) ? scope : 'something that is no registry scope';
}

/** The text, unless one of the secrets is in it, in whatever case: names of hosts are in lower case. */
export function withoutSecret(text: string, secrets: readonly string[]): string {
  const lower = text.toLowerCase();
  const isIn = secrets.some((secret) => secret.length >= SHORTEST_SECRET && lower.includes(secret.toLowerCase()));
  return isIn ? 'The registry has answered with what it was sent, so what it said is not repeated' : text;
}
