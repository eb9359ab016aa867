import { createHash } from 'node:crypto';
import { canonicalJson } from '../../signatures/canonical-json.js';
import type { Definition } from '../../signatures/task-payload.js';
import type { StepRecord } from '../steps/job.js';
import type { LeftBytes, RunFacts } from './run-facts.js';

export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
export const PREDICATE_TYPE = 'https://slsa.dev/provenance/v1';
/** What the parameters mean. A number that counts up where one of them comes to mean something else. */
export const BUILD_TYPE = 'urn:leasehold:run:1';

/** SHA-256 in hex. */
interface Digest {
  sha256: string;
}

/** Bytes that anybody can compare with: an artifact or the log of the run. */
export interface Subject {
  name: string;
  digest: Digest;
  annotations: { bytes: number; dropped?: number };
}

/** How a step was run, and what became of it. Of its results the digests, each of the canonical JSON of a value. */
export type StepStatement = Omit<StepRecord, 'results' | 'missing'> & {
  results: Readonly<Record<string, Digest>>;
  /** Names of declared results that there are not. */
  missing: readonly string[];
};

/** An in-toto Statement (v1) with SLSA provenance (v1). docs/receipts.md tells each member. */
export interface Statement {
  _type: typeof STATEMENT_TYPE;
  subject: readonly Subject[];
  predicateType: typeof PREDICATE_TYPE;
  predicate: {
    buildDefinition: {
      buildType: typeof BUILD_TYPE;
      externalParameters: { taskId: string; runId: number; taskQueueId: string; definition: Digest; payloadVersion?: number };
      internalParameters: {
        isolation: RunFacts['isolation'];
        signature: RunFacts['verdict'];
        scopes: RunFacts['scopes'];
        credentialsLent?: true;
        outcome: RunFacts['outcome']['outcome'];
        steps: readonly StepStatement[];
        results: RunFacts['outcome']['results'];
      };
      resolvedDependencies: readonly { uri: string; digest: Digest }[];
    };
    runDetails: {
      builder: { id: string; version?: { leasehold: string } };
      metadata: { invocationId: string; startedOn: string; finishedOn: string };
      byproducts: readonly { name: string; digest: Digest }[];
    };
  };
}

/** What the worker states of a run. */
export function statementOf(facts: RunFacts): Statement {
  const log = { ...subjectOf(facts.log), annotations: { bytes: facts.log.bytes, dropped: facts.log.dropped } };
  return {
    _type: STATEMENT_TYPE,
    subject: [...facts.artifacts.map(subjectOf), log],
    predicateType: PREDICATE_TYPE,
    predicate: { buildDefinition: buildDefinition(facts), runDetails: runDetails(facts) },
  };
}

function buildDefinition({ taskId, runId, taskQueueId, definition, ...facts }: RunFacts) {
  const { isolation, verdict, scopes, credentialsLent } = facts;
  const { outcome, steps, results } = facts.outcome;
  const digest = definitionDigest(definition);
  const payloadVersion = payloadVersionOf(definition);
  return {
    buildType: BUILD_TYPE,
    externalParameters: { taskId, runId, taskQueueId, definition: digest, ...(payloadVersion !== undefined && { payloadVersion }) },
    internalParameters: {
      ...{ isolation, signature: verdict, scopes, ...(credentialsLent && { credentialsLent }) },
      ...{ outcome, steps: steps.map(stepStatement), results },
    },
    resolvedDependencies: [{ uri: taskUri(taskId), digest }],
  } as const;
}

function runDetails({ taskId, runId, worker, startedAt, finishedAt, log, outcome }: RunFacts) {
  const { version } = worker;
  return {
    builder: { id: workerUri(worker), ...(version !== undefined && { version: { leasehold: version } }) },
    metadata: { invocationId: `${taskId}/${runId}`, startedOn: startedAt, finishedOn: finishedAt },
    byproducts: [
      { name: log.name, digest: { sha256: log.sha256 } },
      { name: 'results', digest: digestOf(outcome.results) },
    ],
  };
}

const subjectOf = ({ name, sha256, bytes }: LeftBytes): Subject => ({ name, digest: { sha256 }, annotations: { bytes } });

function stepStatement({ results, missing, ...step }: StepRecord): StepStatement {
  const digests = Object.entries(results).map(([name, value]) => [name, digestOf(value)]);
  return { ...step, results: Object.fromEntries(digests), missing: Object.keys(missing).sort() };
}

/** SHA-256 of the canonical JSON (RFC 8785): of the definition as it was signed, or as the queue shows it. */
export const definitionDigest = (definition: Definition): Digest => digestOf(definition);

export const digestOf = (value: unknown): Digest => ({ sha256: createHash('sha256').update(canonicalJson(value)).digest('hex') });

export const taskUri = (taskId: string) => `urn:leasehold:task:${taskId}`;

export const workerUri = ({ group, id }: { group: string; id: string }) =>
  `urn:leasehold:worker:${encodeURIComponent(group)}/${encodeURIComponent(id)}`;

function payloadVersionOf({ payload }: Definition): number | undefined {
  const { version } = (payload ?? {}) as { version?: unknown };
  return Number.isSafeInteger(version) ? (version as number) : undefined;
}
