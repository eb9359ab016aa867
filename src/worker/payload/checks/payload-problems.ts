import { assertEnvAllowed } from '../../../signatures/reserved-env.js';
import { SignatureError } from '../../../signatures/signature-error.js';
import { readTimestamp } from '../../../signatures/timestamp.js';
import type { PayloadProblem } from '../malformed-payload.js';
import type { Payload, Step, WantedArtifact } from '../payload.js';
import { isOfTheWorker } from '../workers-artifacts.js';
import { referenceProblems } from './reference-problems.js';
import { workspacePath } from './workspace-path.js';

/** What is wrong with a payload that the schema found nothing wrong with. */
export function payloadProblems({ steps, artifacts, env }: Payload): PayloadProblem[] {
  return [
    ...envProblems('payload.env', env),
    ...Object.keys(env).flatMap((name) =>
      env[name]?.includes('$(steps.')
        ? [`payload.env.${name} has $(steps.…) in it, which is that of steps; set it in the env of a step`]
        : [],
    ),
    ...repeated(steps, ({ name }) => name).map((index) => `payload.steps[${index}].name must not be that of an earlier step`),
    ...steps.flatMap((step, index) => stepProblems(step, `payload.steps[${index}]`)),
    ...allReferenceProblems(steps),
    ...repeated(artifacts, ({ name }) => name).map((index) => `payload.artifacts[${index}].name must not be that of an earlier artifact`),
    ...artifacts.flatMap((artifact, index) => artifactProblems(artifact, `payload.artifacts[${index}]`)),
  ];
}

function stepProblems({ env, results, secrets, network, proxyUrl }: Step, path: string): PayloadProblem[] {
  return [
    ...(proxyUrl && network !== 'proxy' ? [`${path}.proxyUrl needs the network proxy, and not ${network}; leave one out`] : []),
    ...envProblems(`${path}.env`, env),
    ...secrets.flatMap((secret, index) =>
      envProblems(`${path}.secrets[${index}].env`, secret.env === undefined ? {} : { [secret.env]: '' }),
    ),
    ...repeated(results, ({ name }) => name).map((index) => `${path}.results[${index}] must not have the name of an earlier one`),
    ...repeated(secrets, ({ file }) => file).map((index) => `${path}.secrets[${index}].file must not be that of an earlier secret`),
    ...repeated(secrets, (secret) => secret.env).map((index) => `${path}.secrets[${index}].env must not be that of an earlier secret`),
    ...secrets.flatMap((secret, index) =>
      secret.env !== undefined && Object.hasOwn(env, secret.env)
        ? [`${path}.secrets[${index}].env is set by the step's env, too; leave one out`]
        : [],
    ),
  ];
}

/** Places of those whose name an earlier one has. */
function repeated<T>(all: readonly T[], nameOf: (item: T) => string | undefined): number[] {
  const seen = new Set<string | undefined>();
  return all.flatMap((item, index) => {
    const name = nameOf(item);
    const isRepeated = name !== undefined && seen.has(name);
    seen.add(name);
    return isRepeated ? [index] : [];
  });
}

function envProblems(path: string, env: Readonly<Record<string, string>>): PayloadProblem[] {
  try {
    assertEnvAllowed(env);
    return [];
  } catch (error) {
    if (!(error instanceof SignatureError)) throw error;
    return [`${path}: ${error.detail.replace(/^The definition is refused: /, '')}`];
  }
}

function allReferenceProblems(steps: readonly Step[]): PayloadProblem[] {
  const declared = new Map<string, Step['results']>();
  return steps.flatMap((step, index) => {
    const problems = referenceProblems(step, declared).map(({ path, what }) => `payload.steps[${index}].${path} ${what}`);
    declared.set(step.name, step.results);
    return problems;
  });
}

function artifactProblems({ name, path: text, expires }: WantedArtifact, path: string): PayloadProblem[] {
  const meant = workspacePath(text);
  return [
    ...(isOfTheWorker(name) ? [`${path}.name is that of the worker's log, record or receipt; take another one`] : []),
    ...('problem' in meant ? [`${path}.path ${meant.problem}`] : []),
    ...(expires !== undefined && readTimestamp(expires) === undefined ? [`${path}.expires must be a time as RFC 3339 has it`] : []),
  ];
}
