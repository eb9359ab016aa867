import { NETWORKS, ON_ERROR, WORKSPACES } from './payload.js';

/** Seconds: no task has longer between its creation and its deadline. */
const LONGEST_RUN = 5 * 86_400;

/** A system takes words and variables of at most 128 KiB, and a character may have 4 bytes. */
const TEXT = { type: 'string', maxLength: 32_000, pattern: '^[^\\u0000]*$', description: 'text of at most 32000 characters without NUL' };

const ENV = {
  type: 'object',
  maxProperties: 200,
  propertyNames: { $ref: '#/$defs/variable' },
  additionalProperties: { $ref: '#/$defs/text' },
  default: {},
};

const DEFS = {
  text: TEXT,
  variable: {
    type: 'string',
    pattern: '^(?!__proto__$)[A-Za-z_][A-Za-z0-9_]{0,255}$',
    description: 'name of a variable: letters, digits and _, at most 256',
  },
  seconds: { type: 'integer', minimum: 1, maximum: LONGEST_RUN },
  stepName: {
    type: 'string',
    pattern: '^(?![0-9]+$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
    description: 'DNS label (1 to 63 lower-case letters, digits or -, not first or last) that is not a number',
  },
  resultName: {
    type: 'string',
    pattern: '^[A-Za-z][A-Za-z0-9_-]{0,62}$',
    description: 'letter and at most 62 letters, digits, _ or -',
  },
  secretName: {
    type: 'string',
    pattern: '^[A-Za-z0-9][A-Za-z0-9_./:@-]{0,255}$',
    description: 'letter or digit and at most 255 letters, digits or _./:@-',
  },
  path: { type: 'string', minLength: 1, maxLength: 4096, pattern: '^[^\\u0000]*$', description: 'path of 1 to 4096 characters' },
  result: {
    type: ['string', 'object'],
    pattern: '^[A-Za-z][A-Za-z0-9_-]{0,62}$',
    required: ['name'],
    additionalProperties: false,
    properties: {
      name: { $ref: '#/$defs/resultName' },
      type: { enum: ['string', 'array', 'object', 'binary'], default: 'string' },
    },
    description: 'name of a result (a letter and at most 62 letters, digits, _ or -), or that and its type',
  },
  secret: {
    type: 'object',
    required: ['name'],
    anyOf: [{ required: ['env'] }, { required: ['file'] }],
    additionalProperties: false,
    properties: {
      name: { $ref: '#/$defs/secretName', description: 'By this name the worker knows it; the task needs secrets:get:<name>.' },
      env: { $ref: '#/$defs/variable', description: 'The variable to set to it.' },
      file: { $ref: '#/$defs/fileName', description: 'The file under /tekton/creds to have it.' },
    },
  },
  fileName: {
    type: 'string',
    pattern: '^(?!__proto__$)[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}$',
    description: 'plain file name: letters, digits or _.-, at most 255, no dot first',
  },
  condition: {
    type: 'object',
    required: ['input', 'operator', 'values'],
    additionalProperties: false,
    properties: {
      input: { $ref: '#/$defs/text' },
      operator: { enum: ['in', 'notin'] },
      values: { type: 'array', minItems: 1, maxItems: 100, items: { $ref: '#/$defs/text' } },
    },
  },
  when: {
    type: 'object',
    additionalProperties: false,
    properties: {
      status: { enum: ['success', 'failure', 'always'], default: 'success', description: 'What must have become of the steps before.' },
      all: { type: 'array', maxItems: 20, items: { $ref: '#/$defs/condition' }, default: [], description: 'All of these must hold.' },
    },
  },
  step: {
    type: 'object',
    required: ['name'],
    oneOf: [{ required: ['command'] }, { required: ['script'] }],
    additionalProperties: false,
    properties: {
      name: { $ref: '#/$defs/stepName', description: 'A DNS label that is no number, and of this step alone.' },
      command: { type: 'array', minItems: 1, maxItems: 1000, items: { $ref: '#/$defs/text' }, description: 'A program and its words.' },
      script: {
        type: 'string',
        minLength: 1,
        maxLength: 262_144,
        pattern: '^[^\\u0000]*$',
        description: 'text of 1 to 262144 characters without NUL',
      },
      env: { ...ENV, description: 'Variables of this step, over those of the payload.' },
      timeout: { $ref: '#/$defs/seconds', description: 'Seconds.' },
      onError: { enum: ON_ERROR, default: 'stopAndFail', description: 'What a failure of this step means.' },
      when: { $ref: '#/$defs/when', default: {}, description: 'When this step is run.' },
      results: {
        type: 'array',
        maxItems: 50,
        items: { $ref: '#/$defs/result' },
        default: [],
        description: 'What it leaves under /tekton/results.',
      },
      workspace: { enum: WORKSPACES, default: 'rw', description: 'How it sees /workspace.' },
      network: { enum: NETWORKS, default: 'none', description: "What it can reach: nothing, the task's own API by a socket, all." },
      proxyUrl: { type: 'boolean', default: false, description: 'With network proxy: it is at http://taskcluster, too.' },
      secrets: { type: 'array', maxItems: 50, items: { $ref: '#/$defs/secret' }, default: [], description: 'Secrets of the worker.' },
    },
  },
  artifact: {
    type: 'object',
    required: ['name', 'path'],
    additionalProperties: false,
    properties: {
      name: {
        type: 'string',
        pattern: '^[\\x20-\\x7e]{1,1024}$',
        description: 'name of an artifact: 1 to 1024 printable ASCII characters',
      },
      path: { $ref: '#/$defs/path', description: 'Below the workspace: dist/app.tar, or /workspace/dist/app.tar.' },
      type: { enum: ['file', 'directory'], default: 'file' },
      contentType: { type: 'string', pattern: '^[\\x20-\\x7e]{1,255}$', description: 'content type: 1 to 255 printable ASCII characters' },
      expires: { type: 'string', maxLength: 64, description: 'RFC 3339. Otherwise as long as the task is kept.' },
      optional: { type: 'boolean', default: false, description: 'Nothing is wrong where it is not there.' },
    },
  },
};

/** Of `payload`. Defaults are filled in by it; what it cannot say is in checks/. docs/payload.schema.json is made of it. */
export const PAYLOAD_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:leasehold:payload:v1',
  title: 'Payload of a task for the Leasehold worker, version 1',
  type: 'object',
  required: ['version', 'steps', 'maxRunTime'],
  additionalProperties: false,
  properties: {
    version: { const: 1, description: 'Of this schema.' },
    steps: { type: 'array', minItems: 1, maxItems: 100, items: { $ref: '#/$defs/step' }, description: 'Run one after the other.' },
    artifacts: {
      type: 'array',
      maxItems: 100,
      items: { $ref: '#/$defs/artifact' },
      default: [],
      description: 'Uploaded after the last step.',
    },
    maxRunTime: { $ref: '#/$defs/seconds', description: 'Seconds for all steps together.' },
    env: { ...ENV, description: 'Variables of all steps.' },
    features: {
      type: 'object',
      additionalProperties: false,
      properties: {
        isolation: { const: 'required', description: 'Not run where steps are not isolated.' },
        private: { type: 'boolean', default: false, description: "The worker's log, record and receipt are under private/, not public/." },
        credentials: {
          type: 'boolean',
          default: false,
          description: 'Steps may ask the proxy for the credentials of the run. The task needs proxy:credentials.',
        },
      },
      default: {},
      description: 'How the task as a whole is run.',
    },
  },
  $defs: DEFS,
} as const;
