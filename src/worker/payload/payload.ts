/** What a task asks our worker to do: `payload` of its definition once it was checked, defaults filled in. docs/payload.md tells each member. */
export interface Payload {
  version: 1;
  /** Run one after the other, in this order. */
  steps: readonly Step[];
  artifacts: readonly WantedArtifact[];
  /** Seconds for all steps together. */
  maxRunTime: number;
  /** Of every step. */
  env: Readonly<Record<string, string>>;
  features: Features;
}

export interface Features {
  /** The task is not run where steps are not isolated. */
  isolation?: 'required';
  /** What the worker itself leaves of the run (log, record, receipt) is under `private/`, not `public/`. */
  private: boolean;
  /** Steps may ask the proxy for the credentials of the run. */
  credentials: boolean;
}

export const ON_ERROR = ['stopAndFail', 'continue', 'continueAndFail', 'stopAndSucceed'] as const;
export const NETWORKS = ['none', 'proxy', 'host'] as const;
export const WORKSPACES = ['rw', 'ro', 'none'] as const;
export type Network = (typeof NETWORKS)[number];

export interface Step {
  /** A DNS label, and no number. */
  name: string;
  /** A program and its words; or a script, which is a file that the step cannot change. One of the two. */
  command?: readonly string[];
  script?: string;
  env: Readonly<Record<string, string>>;
  /** Seconds. */
  timeout?: number;
  onError: (typeof ON_ERROR)[number];
  when: When;
  results: readonly WantedResult[];
  workspace: (typeof WORKSPACES)[number];
  network: Network;
  /** The proxy is at http://taskcluster, too. */
  proxyUrl: boolean;
  secrets: readonly WantedSecret[];
}

export interface When {
  /** What has become of the steps before: none has stopped them; one has failed, so that the task does; whatever. */
  status: 'success' | 'failure' | 'always';
  /** All of which must hold. */
  all: readonly { input: string; operator: 'in' | 'notin'; values: readonly string[] }[];
}

export interface WantedResult {
  name: string;
  /** `binary` is any bytes, told in base64; all else is UTF-8, `array` and `object` are JSON: of texts, and of texts by name. */
  type: 'string' | 'array' | 'object' | 'binary';
}

/** A secret of the worker's, by its name there. In a variable, in a file under /tekton/creds, or both. */
export interface WantedSecret {
  name: string;
  env?: string;
  file?: string;
}

export interface WantedArtifact {
  name: string;
  /** Below the workspace. */
  path: string;
  type: 'file' | 'directory';
  contentType?: string;
  /** RFC 3339. Absent: as long as the task is kept. */
  expires?: string;
  /** Nothing is wrong where it is not there. */
  optional: boolean;
}

/** A value of a result. */
export type ResultValue = string | readonly string[] | Readonly<Record<string, string>>;
