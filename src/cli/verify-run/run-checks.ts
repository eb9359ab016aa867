import type { Definition } from '../../signatures/task-payload.js';
import { definitionDigest, type Statement, type Subject, workerUri } from '../../worker/receipt/statement.js';
import { NotThere } from './downloads.js';
import { plain } from './plain.js';
import type { RunOfService } from './run-of-service.js';

/** One thing that the receipt states, and what the service has of it. */
export interface Check {
  what: string;
  stated: string;
  found: string;
  good: boolean;
  /** It was compared with nothing, so it is neither. */
  skipped?: true;
}

export const failed = ({ what, stated, found }: Check) =>
  `${plain(what)}: the receipt states ${plain(stated)}; the service: ${plain(found)}`;

/** Seconds by which the worker's clock may differ from the queue's. */
const SKEW = 600;

/** What a run ends with. A task that is stopped may have been cancelled, or have run too long, or the lease was lost. */
const STATES: Record<Statement['predicate']['buildDefinition']['internalParameters']['outcome'], readonly string[]> = {
  succeeded: ['completed'],
  failed: ['failed'],
  stopped: ['failed', 'exception'],
  broken: ['exception'],
};

/** The log, to which a link leads once the run is over. */
const LOG = /(?<=^(public|private)\/logs\/)live_backing\.log$/;

const PRIORITIES = ['highest', 'very-high', 'high', 'medium', 'low', 'very-low', 'lowest'];

/** All that a receipt states, compared with what the service has, bytes included. */
export async function checksOf(statement: Statement, service: RunOfService): Promise<Check[]> {
  const checks = [...statusChecks(statement, service), definitionCheck(statement, service.definition)];
  for (const subject of statement.subject) checks.push(await subjectCheck(subject, service));
  return [...checks, ...(await unlisted(statement, service))];
}

function statusChecks({ predicate: { buildDefinition, runDetails } }: Statement, { taskId, runId, status, run }: RunOfService): Check[] {
  const { externalParameters, internalParameters } = buildDefinition;
  const { outcome, signature } = internalParameters;
  const same = (what: string, stated: string, found: string): Check => ({ what, stated, found, good: stated === found });
  const { workerGroup: group = '', workerId: id = '' } = run;
  const ended = run.reasonResolved === undefined ? run.state : `${run.state} (${run.reasonResolved})`;
  return [
    same('run', runDetails.metadata.invocationId, `${taskId}/${runId}`),
    same('task queue', externalParameters.taskQueueId, status.taskQueueId),
    same('worker', runDetails.builder.id, workerUri({ group, id })),
    { what: 'outcome', stated: outcome, found: ended, good: STATES[outcome].includes(run.state) },
    timeCheck(runDetails.metadata, run),
    ...(run.signature ? [same('signature', signatureText(signature), signatureText(run.signature))] : []),
  ];
}

const signatureText = ({ verdict, payloadDigest }: { verdict: string; payloadDigest?: string | undefined }) =>
  payloadDigest === undefined ? verdict : `${verdict} ${payloadDigest}`;

/** So that who has an old key cannot make a receipt of today. */
function timeCheck({ startedOn, finishedOn }: Statement['predicate']['runDetails']['metadata'], run: RunOfService['run']): Check {
  const [from, until] = [startedOn, finishedOn].map(Date.parse) as [number, number];
  const earliest = run.started === undefined ? Number.NaN : Date.parse(run.started) - SKEW * 1000;
  const latest = run.resolved === undefined ? Number.NaN : Date.parse(run.resolved) + SKEW * 1000;
  const good = earliest <= from && from <= until && until <= latest;
  return { what: 'time', stated: `${startedOn} to ${finishedOn}`, found: `${run.started ?? '-'} to ${run.resolved ?? '-'}`, good };
}

/** A definition that nobody signed is shown with the priority of now, which may be another one than when it was claimed. */
function definitionCheck({ predicate }: Statement, definition: Definition): Check {
  const { externalParameters, internalParameters } = predicate.buildDefinition;
  const stated = externalParameters.definition.sha256;
  const shown = definitionDigest(definition).sha256;
  const check = { what: 'definition', stated, found: shown, good: stated === shown };
  if (check.good || internalParameters.signature.verdict === 'verified') return check;
  const priority = PRIORITIES.find((one) => definitionDigest({ ...definition, priority: one }).sha256 === stated);
  return priority === undefined ? check : { ...check, found: `${shown}, the same but for priority ${priority}`, good: true };
}

async function subjectCheck({ name, digest: { sha256 }, annotations }: Subject, service: RunOfService): Promise<Check> {
  const found = await service.digest(name, annotations.bytes).catch((error) => {
    if (error instanceof NotThere) return error.message;
    throw error;
  });
  return { what: name, stated: sha256, found, good: found === sha256 };
}

/**
 * Who finds an artifact beside those of the receipt may think that the worker stands for it, too. It does not: where steps could call the
 * queue with the run's credentials, they may have left it; else nobody could but the worker, and it did not.
 */
async function unlisted({ subject, predicate }: Statement, service: RunOfService): Promise<Check[]> {
  const names = await service.names();
  if (names === undefined)
    return [{ what: 'other artifacts', stated: 'none', found: 'who asks may not list them', good: true, skipped: true }];
  const known = new Set(subject.map(({ name }) => name));
  const { steps } = predicate.buildDefinition.internalParameters;
  const byStep = steps.some(({ network, reason }) => network === 'proxy' && reason !== 'Skipped');
  const found = byStep ? 'an artifact, which a step may have left' : 'an artifact';
  const strange = names.filter((name) => !known.has(name));
  const log = subject.find(({ name }) => LOG.test(name));
  const live = log && strange.find((name) => name === log.name.replace(LOG, 'live.log'));
  const checks = live === undefined ? [] : [await subjectCheck({ ...log!, name: live }, service)];
  const others = strange.filter((name) => name !== live);
  return [
    ...checks,
    ...others.map((what) => ({ what, stated: 'no such artifact', found, good: byStep, ...(byStep && { skipped: true as const }) })),
  ];
}
