import { Ajv2020 } from 'ajv/dist/2020.js';
import { canonicalJson } from '../../signatures/canonical-json.js';
import { jsonProblem, shownName } from '../../signatures/json-value.js';
import { readTimestamp } from '../../signatures/timestamp.js';
import { NETWORKS, WORKSPACES } from '../payload/payload.js';
import { STEP_REASONS } from '../steps/job.js';
import { ReceiptError } from './receipt-error.js';
import { BUILD_TYPE, digestOf, PREDICATE_TYPE, STATEMENT_TYPE, type Statement, taskUri } from './statement.js';

/** Values in a statement: 30 000 artifacts. */
const MOST_VALUES = 200_000;

const text = { type: 'string' };
const count = { type: 'integer', minimum: 0 };
const time = { type: 'string', format: 'timestamp' };
const digest = object({ sha256: { type: 'string', pattern: '^[0-9a-f]{64}$' } });
const texts = { type: 'array', items: text };
const values = { type: 'object', additionalProperties: { type: ['string', 'array', 'object'] } };

/** What is not known is left alone, as in-toto asks for. */
function object(required: Record<string, unknown>, optional: Record<string, unknown> = {}) {
  return { type: 'object', required: Object.keys(required), properties: { ...required, ...optional } };
}

const list = (items: unknown, more: object = {}) => ({ type: 'array', items, ...more });
const optionalText = (...names: string[]) => Object.fromEntries(names.map((name) => [name, text]));

const step = object(
  {
    name: text,
    reason: { enum: STEP_REASONS },
    exitCode: { type: 'integer' },
    network: { enum: NETWORKS },
    workspace: { enum: WORKSPACES },
    results: { type: 'object', additionalProperties: digest },
    missing: texts,
    output: object({ bytes: count, dropped: count }),
  },
  { startedAt: time, finishedAt: time, ...optionalText('detail') },
);

const buildDefinition = object({
  buildType: { const: BUILD_TYPE },
  externalParameters: object(
    {
      taskId: { type: 'string', pattern: '^[A-Za-z0-9_-]{22}$' },
      runId: { ...count, maximum: 1000 },
      taskQueueId: text,
      definition: digest,
    },
    { payloadVersion: count },
  ),
  internalParameters: object(
    {
      isolation: { enum: ['bubblewrap', 'none'] },
      signature: object(
        { verdict: { enum: ['verified', 'failed', 'unchecked'] } },
        optionalText('code', 'kid', 'thumbprint', 'payloadDigest'),
      ),
      scopes: object({ asked: texts }, { lent: texts, used: texts }),
      outcome: { enum: ['succeeded', 'failed', 'stopped', 'broken'] },
      steps: list(step),
      results: { type: 'object', additionalProperties: object({ step: text, value: { type: ['string', 'array', 'object'] } }) },
    },
    { credentialsLent: { const: true } },
  ),
  resolvedDependencies: list(object({ uri: text, digest }), { minItems: 1, maxItems: 1 }),
});

const runDetails = object({
  builder: object({ id: text }, { version: values }),
  metadata: object({ invocationId: text, startedOn: time, finishedOn: time }),
  byproducts: list(object({ name: text, digest }), { minItems: 2, maxItems: 2 }),
});

const SCHEMA = object({
  _type: { const: STATEMENT_TYPE },
  subject: list(object({ name: text, digest, annotations: object({ bytes: count }, { dropped: count }) }), { minItems: 1 }),
  predicateType: { const: PREDICATE_TYPE },
  predicate: object({ buildDefinition, runDetails }),
});

const ajv = new Ajv2020({ allowUnionTypes: true, formats: { timestamp: (given: string) => readTimestamp(given) !== undefined } });
const isStatement = ajv.compile<Statement>(SCHEMA);
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The statement that signed bytes are. Only its canonical JSON (RFC 8785) is taken: of that there is one, so no two parsers can read two things
 * in it; and only one that agrees with itself. Throws ReceiptError, with the place and without what is there.
 */
export function readStatement(payload: Uint8Array): Statement {
  const [value, json] = parsed(payload);
  const problem = jsonProblem(value, MOST_VALUES);
  if (problem !== undefined) throw invalid(problem);
  if (canonicalJson(value) !== json) throw invalid('it is not in its canonical form (RFC 8785)');
  if (!isStatement(value)) {
    const { instancePath, message } = isStatement.errors![0]!;
    const place = instancePath.split('/').slice(1).map(shownName).join('/');
    throw invalid(`${place || 'it'} ${message}`);
  }
  const problems = contradictions(value);
  if (problems.length > 0) throw invalid(problems.join('; '));
  return value;
}

function parsed(payload: Uint8Array): [unknown, string] {
  try {
    const json = UTF8.decode(payload);
    return [JSON.parse(json), json];
  } catch {
    throw invalid('it is not JSON in UTF-8'); // the cause may quote it
  }
}

/** What is told twice, for those who read only one of the two, must be told alike; and a name stands for one thing. */
function contradictions({ subject, predicate: { buildDefinition, runDetails } }: Statement): string[] {
  const { taskId, runId, definition } = buildDefinition.externalParameters;
  const [task] = buildDefinition.resolvedDependencies;
  const [log, results] = runDetails.byproducts;
  const problems: string[] = [];
  if (runDetails.metadata.invocationId !== `${taskId}/${runId}`) problems.push('invocationId is not that run');
  if (task!.uri !== taskUri(taskId) || task!.digest.sha256 !== definition.sha256)
    problems.push('resolvedDependencies is not that definition');
  if (new Set(subject.map(({ name }) => name)).size !== subject.length) problems.push('two subjects have one name');
  const logged = subject.find(({ name }) => name === log!.name);
  if (logged?.digest.sha256 !== log!.digest.sha256) problems.push('the log among the byproducts is no subject');
  if (results!.digest.sha256 !== digestOf(buildDefinition.internalParameters.results).sha256)
    problems.push('there are two kinds of results');
  return problems;
}

const invalid = (what: string) => new ReceiptError('receipt-statement-invalid', `What was signed is no statement of a run: ${what}`);
