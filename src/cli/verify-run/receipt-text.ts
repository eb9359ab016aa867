import type { Receipt } from '../../worker/receipt/verify-receipt.js';
import { table } from '../table.js';
import { plain } from './plain.js';
import type { Check } from './run-checks.js';

/** A receipt for people: what was run, by whom and how, what came of it, and what is as it states. */
export function receiptText(receipt: Receipt, checks: readonly Check[] = []): string {
  const { subject, predicate } = receipt.statement;
  const { steps, results } = predicate.buildDefinition.internalParameters;
  const stepRows = steps.map((step) => {
    const { name, network, workspace, reason, exitCode, startedAt = '-', finishedAt = '-' } = step;
    return [name, network, workspace, reason, String(exitCode), startedAt, finishedAt];
  });
  const resultRows = Object.entries(results).map(([name, { step, value }]) => [name, step, JSON.stringify(value)]);
  const checkRows = checks.map((check) => [markOf(check), check.what, check.skipped ? `not compared: ${check.found}` : check.stated]);
  const subjectRows = subject.map(({ name, digest }) => [name, digest.sha256]);
  return [
    about(receipt),
    rows(['STEP', 'NETWORK', 'WORKSPACE', 'REASON', 'EXIT', 'FROM', 'UNTIL'], stepRows),
    rows(['RESULT', 'STEP', 'VALUE'], resultRows),
    checks.length > 0 ? rows(['', 'WHAT', 'STATED'], checkRows) : rows(['WHAT', 'STATED'], subjectRows),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function markOf({ good, skipped }: Check): string {
  if (skipped) return '-';
  return good ? '✓' : '✗';
}

function about({ statement, kid, alg, thumbprint, owner }: Receipt): string {
  const { buildDefinition, runDetails } = statement.predicate;
  const { externalParameters, internalParameters } = buildDefinition;
  const { signature, scopes, isolation, outcome } = internalParameters;
  const { asked, lent, used } = scopes;
  return rows(
    [],
    [
      ['Run', `${runDetails.metadata.invocationId} of ${externalParameters.taskQueueId}`],
      ['Outcome', outcome],
      ['Isolation', isolation],
      ['Task signed', [signature.verdict, signature.kid, signature.code].filter(Boolean).join(', ')],
      ['Scopes asked', listed(asked)],
      ['Scopes lent', listed(lent)],
      ['Scopes used', listed(used)],
      ['Worker', runDetails.builder.id],
      ['Worker key', `${kid} (${alg}${owner === undefined ? '' : `, ${owner}`}), thumbprint ${thumbprint}`],
    ],
  );
}

const listed = (scopes: readonly string[] | undefined) => (scopes === undefined ? 'not known' : scopes.join(' ') || 'none');

/** Texts may be anybody's. */
function rows(head: readonly string[], body: readonly (readonly string[])[]): string {
  if (body.length === 0) return '';
  const shown = body.map((row) => row.map((cell) => plain(cell)));
  return table(head.length > 0 ? [head, ...shown] : shown);
}
