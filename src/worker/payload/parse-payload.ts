import { deepFrozen, jsonProblem } from '../../signatures/json-value.js';
import type { Definition } from '../../signatures/task-payload.js';
import { payloadProblems } from './checks/payload-problems.js';
import { schemaProblems } from './checks/schema-problems.js';
import { workspacePath } from './checks/workspace-path.js';
import { MalformedPayload, type PayloadProblem } from './malformed-payload.js';
import type { Payload, Step, WantedArtifact, WantedResult } from './payload.js';

/** A payload as it may be written: by the schema, with the defaults that it has. */
type WrittenPayload = Omit<Payload, 'steps'> & { steps: (Omit<Step, 'results'> & { results: (string | WantedResult)[] })[] };

/**
 * The payload of a definition, checked, with all defaults filled in, and frozen; it shares nothing with the definition. Throws
 * MalformedPayload, and nothing else.
 */
export function parsePayload(definition: Definition): Payload {
  const payload = detached(definition);
  refuseFor(kindProblems(payload));
  refuseFor(schemaProblems(payload));
  const filled = filledOf(payload as WrittenPayload);
  refuseFor(payloadProblems(filled));
  return deepFrozen({ ...filled, artifacts: filled.artifacts.map(normalArtifact) });
}

function refuseFor(problems: readonly PayloadProblem[]): void {
  if (problems.length > 0) throw new MalformedPayload(problems);
}

/** Before anything recurses over it, or reads `__proto__` of it. */
function detached(definition: Definition): unknown {
  const payload = Object.hasOwn(definition, 'payload') ? definition.payload : undefined;
  const problem = payload === undefined ? 'must be there' : jsonProblem(payload);
  if (problem === undefined) return JSON.parse(JSON.stringify(payload));
  throw new MalformedPayload([`payload${/^[.[]/.test(problem) ? '' : ' '}${problem.replaceAll(/ (?=\[\d|\.["\w-])/g, '')}`]);
}

/** There are other workers, with payloads of their own: of one of those all else would be wrong, too. */
function kindProblems(payload: unknown): PayloadProblem[] {
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) return ['payload must be an object'];
  if ((payload as { version?: unknown }).version === 1) return [];
  return ['payload.version must be 1: this worker runs payloads as docs/payload.md has them, and those of other workers have no version 1'];
}

function filledOf(payload: WrittenPayload): Payload {
  const steps = payload.steps.map((step) => ({
    ...step,
    results: step.results.map((result) => (typeof result === 'string' ? { name: result, type: 'string' as const } : result)),
  }));
  return { ...payload, steps };
}

/** Once it was found to have a path below the workspace. */
function normalArtifact(artifact: WantedArtifact): WantedArtifact {
  const meant = workspacePath(artifact.path);
  return 'path' in meant ? { ...artifact, path: meant.path } : artifact;
}
