import path from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Credentials } from '../../credentials/ext.js';
import type { SignaturePolicy } from '../../signatures/signature-policy.js';
import { isRedactable, SHORTEST_SECRET } from '../artifacts/bytes/secret-forms.js';
import type { Network } from '../payload/payload.js';
import { type AllowedOrigin, allowedOrigin, type OutgoingSetting } from '../proxy/outgoing/allowed-origin.js';
import type { IsolationName, SandboxSettings } from '../sandbox/isolation.js';
import { readSecret } from '../state/secret-file.js';
import { SetupError } from '../state/setup-error.js';
import { readTrusted } from '../state/trusted-path.js';
import { configProblems } from './config-problems.js';
import { CONFIG_SCHEMA } from './config-schema.js';
import { outgoingProblems } from './outgoing.js';
import { type ConfiguredRegistry, type GivenRegistry, readRegistries } from './registries.js';
import { registryProblems } from './registry-problems.js';

/** Bytes. */
const MOST_CONFIG = 1024 * 1024;
/** Of a file that may be the wrong one. */
const MOST_READ = 256 * 1024;
/** A secret is looked for in all that steps print; to prepare for that many takes 0.2 s. */
const MOST_SECRET = 16 * 1024;

/** How a worker is set up. All paths are absolute, all secrets are read. */
export interface WorkerConfig {
  rootUrl: string;
  /** Secret. */
  credentials: Credentials;
  workerGroup: string;
  workerId: string;
  taskQueues: readonly string[];
  capacity: number;
  stateDir: string;
  workDir: string;
  /** `skew` is in seconds. */
  signatures: { policy: SignaturePolicy; keySet?: string; audience: string; skew: number };
  isolation: IsolationName;
  networks: readonly Network[];
  /** Where steps may lead by the proxy, without credentials. */
  outgoing: readonly AllowedOrigin[];
  sandbox: SandboxSettings;
  /** By name. Secret. */
  secrets: ReadonlyMap<string, string>;
  /** With secrets. */
  registries: readonly ConfiguredRegistry[];
  hostEnv: readonly string[];
  liveLog?: { host: string; port: number; url?: string };
  log: { maxBytes: number };
  receiptKey?: string;
  /** Seconds. */
  drain: { timeout: number };
  /** Milliseconds. */
  grace: number;
}

/** As the file has it, with defaults filled in. */
interface Given extends Omit<WorkerConfig, 'credentials' | 'workDir' | 'signatures' | 'secrets' | 'outgoing' | 'registries'> {
  registries: GivenRegistry[];
  credentials: { clientId: string; accessToken?: string; accessTokenFile?: string; certificate?: string };
  workDir?: string;
  signatures: Omit<WorkerConfig['signatures'], 'audience'> & { audience?: string };
  secrets: Record<string, { file: string } | { value: string }>;
  outgoing: readonly OutgoingSetting[];
}

/** Reads the configuration of a worker. Throws SetupError, which names each member that is wrong, and the fix; never a value. */
export function readWorkerConfig(file: string, isolation?: IsolationName): WorkerConfig {
  const given = checked(file, parsed(file, readAt(file, file, MOST_CONFIG)));
  const at = (place: string) => path.resolve(path.dirname(file), place);
  const { credentials, secrets, signatures, workDir, receiptKey, sandbox, registries, ...rest } = given;
  const stateDir = at(given.stateDir);
  const rootUrl = given.rootUrl.replace(/\/+$/, '');
  return {
    ...rest,
    rootUrl,
    credentials: credentialsOf(credentials, file, at),
    stateDir,
    workDir: workDir === undefined ? path.join(stateDir, 'tasks') : at(workDir),
    signatures: {
      ...signatures,
      audience: signatures.audience ?? new URL(given.rootUrl).origin,
      ...(signatures.keySet !== undefined && { keySet: at(signatures.keySet) }),
    },
    outgoing: given.outgoing.map(allowedOrigin),
    ...(isolation && { isolation }),
    sandbox: {
      ...sandbox,
      bubblewrap: at(sandbox.bubblewrap),
      busybox: at(sandbox.busybox),
      rootfs: at(sandbox.rootfs),
      readable: sandbox.readable.map(at),
    },
    secrets: new Map(Object.entries(secrets).map(([name, secret]) => [name, secretOf(secret, `secrets.${name}`, at)])),
    registries: readRegistries(registries, rootUrl, {
      secret: (value, place, member) => redactable(value ?? lineIn(at(place!), member), member),
      text: (place, member) => readAt(at(place), member, MOST_READ, readTrusted),
    }),
    ...(receiptKey !== undefined && { receiptKey: at(receiptKey) }),
  };
}

function parsed(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // what V8 says of broken JSON repeats some of it, which may be a secret
    const place = /position (\d+)/.exec((error as Error).message)?.[1];
    const line = place === undefined ? '' : ` in line ${text.slice(0, Number(place)).split('\n').length}`;
    throw new SetupError(`${file} is no JSON: something is wrong${line || ' at its end'}; mend it there`);
  }
}

function checked(file: string, config: unknown): Given {
  const validate = new Ajv2020({ allErrors: true, useDefaults: true, verbose: true, allowUnionTypes: true }).compile<Given>(CONFIG_SCHEMA);
  const problems = validate(config) ? inconsistencies(config) : configProblems(validate.errors ?? []);
  if (problems.length === 0) return config as Given;
  throw new SetupError(`${file} is not usable:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
}

/** What no schema can say. */
function inconsistencies({ rootUrl, signatures, liveLog, registries, outgoing }: Given): string[] {
  const isUrl = (url: string) => URL.canParse(url) && new URL(url).username === '' && !/[?#]/.test(url);
  return [
    ...(isUrl(rootUrl) ? [] : ['rootUrl: is no URL without user, query and fragment; give one like https://tasks.example.com']),
    ...(liveLog?.url === undefined || isUrl(liveLog.url)
      ? []
      : ['liveLog.url: is no URL without user, query and fragment; give one, or leave it out']),
    ...(signatures.policy === 'off' || signatures.keySet !== undefined
      ? []
      : ['signatures.keySet: is missing; name the file with the public keys of those who create tasks, or set signatures.policy to "off"']),
    ...outgoingProblems(outgoing),
    ...registryProblems(registries),
  ];
}

function credentialsOf(
  { clientId, accessToken, accessTokenFile, certificate }: Given['credentials'],
  file: string,
  at: (place: string) => string,
): Credentials {
  const member = `credentials.accessToken${accessToken === undefined ? 'File' : ''}`;
  const token = accessToken ?? lineIn(at(accessTokenFile!), member);
  if (token === '') throw new SetupError(`credentials.accessTokenFile in ${file} names an empty file; put the access token there`);
  return { clientId, accessToken: redactable(token, member), ...(certificate !== undefined && { certificate }) };
}

const lineIn = (file: string, member: string) => readAt(file, member, MOST_READ).replace(/\r?\n$/, '');

function secretOf(secret: { file: string } | { value: string }, member: string, at: (place: string) => string): string {
  return 'value' in secret ? redactable(secret.value, `${member}.value`) : redactable(readAt(at(secret.file), member, MOST_READ), member);
}

function redactable(secret: string, member: string): string {
  if (Buffer.byteLength(secret) > MOST_SECRET)
    throw new SetupError(`${member}: has more than ${MOST_SECRET} bytes, and could not be kept out of logs; give one of fewer`);
  if (isRedactable(secret)) return secret;
  throw new SetupError(`${member}: has fewer than ${SHORTEST_SECRET} bytes, and could not be kept out of logs; give a longer one`);
}

function readAt(file: string, member: string, mostBytes: number, read = readSecret): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(read(path.resolve(file), mostBytes));
  } catch (error) {
    if (error instanceof SetupError) throw member === file ? error : new SetupError(`${member}: ${error.message}`);
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'is not there, or a folder on the way to it' : `cannot be read (${code ?? 'no UTF-8'})`;
    throw new SetupError(`${member === file ? '' : `${member}: `}${file} ${why}; name a file that this user can read`);
  }
}
