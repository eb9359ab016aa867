import type { OutgoingHttpHeaders } from 'node:http';

/** Characters. A client takes some 16 KiB of headers together. */
const LONGEST = 4_096;

export interface SignedCall {
  /** Where the request went. */
  url: string;
  clientId: string;
  /** To which its signature was restricted. */
  scopes: readonly string[] | undefined;
}

/**
 * What taskcluster-proxy tells of a call by headers of its answer, for programs that look at them. None of it is secret: a step can ask the
 * service for all of it. What a header cannot hold is left out.
 */
export function compatibilityHeaders({ url, clientId, scopes }: SignedCall): OutgoingHttpHeaders {
  const told = {
    'x-taskcluster-endpoint': url,
    'x-taskcluster-proxy-temp-clientid': clientId,
    ...(scopes && { 'x-taskcluster-authorized-scopes': JSON.stringify(scopes) }),
  };
  return Object.fromEntries(Object.entries(told).filter(([, value]) => value.length <= LONGEST && /^[\x20-\x7e]*$/.test(value)));
}
