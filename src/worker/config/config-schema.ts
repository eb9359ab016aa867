import { OUTGOING } from './outgoing.js';
import { REGISTRY } from './registry-schema.js';

const FILE = {
  type: 'string',
  minLength: 1,
  description: 'A path; one that does not begin with / begins at the folder of the configuration',
};
const PART = { type: 'string', pattern: '^[a-zA-Z0-9_-]{1,38}$' };
const MIB = 1024 * 1024;

const bytes = (preset: number, description: string) => ({ type: 'integer', minimum: 0, default: preset, description });
const amount = (preset: number, description: string) => ({ type: 'integer', minimum: 1, default: preset, description });
const object = (properties: object, more: object = {}) => ({ type: 'object', properties, additionalProperties: false, ...more });

const CREDENTIALS = object(
  {
    clientId: {
      type: 'string',
      pattern: '^[A-Za-z0-9!@/:.+|_-]{1,1024}$',
      description: 'As whom the worker asks for work: the id of a client, as the service has it',
    },
    accessToken: { type: 'string', minLength: 1, description: 'Secret. Or accessTokenFile' },
    accessTokenFile: { ...FILE, description: 'A file with the access token, and perhaps a line feed, that only the worker can read' },
    certificate: { type: 'string', minLength: 1, description: 'Of temporary credentials: JSON as a text' },
  },
  { required: ['clientId'], oneOf: [{ required: ['accessToken'] }, { required: ['accessTokenFile'] }] },
);

const SIGNATURES = object(
  {
    policy: { enum: ['off', 'warn', 'require'], default: 'require', description: 'What becomes of tasks that are not signed, or not well' },
    keySet: { ...FILE, description: 'The public keys of those who create tasks. Needed unless the policy is off' },
    audience: {
      type: 'string',
      minLength: 1,
      description: 'The deployment, by the name that signatures have; the origin of rootUrl unless given',
    },
    skew: { type: 'integer', minimum: 0, maximum: 600, default: 60, description: 'Seconds by which clocks may differ' },
  },
  { default: {} },
);

const LIMITS = object(
  {
    processes: amount(256, 'Processes and threads of a step'),
    openFiles: amount(1024, 'Open files of a process'),
    fileSize: bytes(8192 * MIB, 'Bytes of a file'),
    memory: bytes(0, 'Bytes of data of a process; 0: no limit'),
    tmp: bytes(256 * MIB, 'Bytes in /tmp, in memory'),
    home: bytes(64 * MIB, 'Bytes in the home of a step, in memory'),
    shm: bytes(64 * MIB, 'Bytes in /dev/shm'),
    creds: bytes(MIB, 'Bytes of all secret files of a step'),
    results: bytes(MIB, 'Bytes of all results of a step'),
    result: bytes(64 * 1024, 'Bytes of one result'),
    output: bytes(16 * MIB, 'Bytes that are kept of the output of one step'),
  },
  { default: {} },
);

const SANDBOX = object(
  {
    bubblewrap: { ...FILE, default: '/usr/bin/bwrap', description: 'The program bwrap' },
    busybox: { ...FILE, default: '/usr/bin/busybox', description: 'The program busybox, linked statically' },
    rootfs: { ...FILE, default: '/', description: 'What steps find as their root, read-only' },
    readable: { type: 'array', items: FILE, default: [], description: 'More directories that steps can read, at the same place' },
    limits: { ...LIMITS, description: 'Of each step' },
  },
  { default: {} },
);

const SECRET = object(
  {
    file: { ...FILE, description: 'A file with the value, that only the worker can read. All of it is the value' },
    value: { type: 'string', minLength: 1, description: 'The value itself' },
  },
  { oneOf: [{ required: ['file'] }, { required: ['value'] }] },
);

const LIVE_LOG = object(
  {
    host: { type: 'string', minLength: 1, default: '127.0.0.1', description: 'The address at which logs are served while tasks run' },
    port: { type: 'integer', minimum: 0, maximum: 65_535, default: 0, description: '0: any that is free' },
    url: { type: 'string', pattern: '^https?://', description: 'How others reach that; http://<host>:<port> unless given' },
  },
  { description: 'Absent: logs are there when a run has ended' },
);

/** The configuration of a worker: JSON Schema, 2020-12. What is said of each member here is its documentation. */
export const CONFIG_SCHEMA = object(
  {
    rootUrl: { type: 'string', pattern: '^https?://', description: 'Where the task queue is, like https://tasks.example.com' },
    credentials: CREDENTIALS,
    workerGroup: { ...PART, description: 'With workerId, who this worker is: 1 to 38 letters, digits, - or _' },
    workerId: PART,
    taskQueues: {
      type: 'array',
      minItems: 1,
      maxItems: 100,
      uniqueItems: true,
      items: { type: 'string', pattern: '^[a-zA-Z0-9_-]{1,38}/[a-z]([-a-z0-9]{0,36}[a-z0-9])?$' },
      description: 'Ids of task queues like builds/linux, which take turns',
    },
    capacity: { type: 'integer', minimum: 1, maximum: 32, default: 1, description: 'How many tasks may run at once' },
    stateDir: { ...FILE, description: 'A directory of this worker alone, on a local disk, that outlives it' },
    workDir: {
      ...FILE,
      description:
        'A directory of this worker alone, on a local disk, in which each task has its own, and nothing else is; tasks in stateDir unless given',
    },
    signatures: SIGNATURES,
    isolation: {
      enum: ['bubblewrap', 'none'],
      default: 'bubblewrap',
      description: 'none protects from nothing: for trusted tasks, or a machine for each',
    },
    networks: {
      type: 'array',
      uniqueItems: true,
      items: { enum: ['none', 'proxy', 'host'] },
      default: ['none', 'proxy'],
      description: 'Which networks steps may ask for',
    },
    outgoing: OUTGOING,
    sandbox: SANDBOX,
    secrets: {
      type: 'object',
      additionalProperties: SECRET,
      propertyNames: { pattern: '^[A-Za-z0-9][A-Za-z0-9_./:@-]{0,255}$' },
      default: {},
      description: 'What steps may ask for, by name',
    },
    registries: {
      type: 'array',
      maxItems: 100,
      items: REGISTRY,
      default: [],
      description: 'Container registries that steps reach through their proxy, and as whom',
    },
    hostEnv: {
      type: 'array',
      uniqueItems: true,
      items: { type: 'string', pattern: '^[A-Za-z_][A-Za-z0-9_]*$' },
      default: [],
      description: "Variables of the worker's own environment that steps get, too",
    },
    liveLog: LIVE_LOG,
    log: object({ maxBytes: amount(64 * MIB, 'Bytes of the log of a run') }, { default: {} }),
    receiptKey: { ...FILE, description: 'The private key by which receipts of runs are signed. Absent: there are none' },
    drain: object(
      {
        timeout: {
          type: 'integer',
          minimum: 0,
          maximum: 86_400,
          default: 60,
          description: 'Seconds for which tasks may go on after SIGTERM',
        },
      },
      { default: {} },
    ),
    grace: {
      type: 'integer',
      minimum: 0,
      maximum: 600_000,
      default: 5_000,
      description: 'Milliseconds between SIGTERM and SIGKILL for steps that are stopped',
    },
  },
  { required: ['rootUrl', 'credentials', 'workerGroup', 'workerId', 'taskQueues', 'stateDir'] },
);
