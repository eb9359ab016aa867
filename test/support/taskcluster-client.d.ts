// The package ships no types; tests use it as strangers do.
declare module 'taskcluster-client' {
  // biome-ignore lint/suspicious/noExplicitAny: a stranger's client, untyped on purpose
  const taskcluster: any;
  export default taskcluster;
}

/** What the package knows of every service: it makes its methods of this. */
declare module 'taskcluster-client/src/apis.js' {
  export interface ReferenceEntry {
    type: string;
    name: string;
    method: string;
    /** Begins with a slash, with <parameters>. */
    route: string;
    query: string[];
  }
  const apis: Record<string, { reference: { serviceName: string; apiVersion: string; entries: ReferenceEntry[] } }>;
  export default apis;
}
