// The package ships no types; tests use it as strangers do.
declare module 'taskcluster-client' {
  // biome-ignore lint/suspicious/noExplicitAny: a stranger's client, untyped on purpose
  const taskcluster: any;
  export default taskcluster;
}
