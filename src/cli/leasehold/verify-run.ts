import { type KeySet, readKeySet } from '../../signatures/key-set.js';
import { SignatureError } from '../../signatures/signature-error.js';
import { ReceiptError } from '../../worker/receipt/receipt-error.js';
import { verifyReceipt } from '../../worker/receipt/verify-receipt.js';
import type { Environment } from '../access.js';
import { CommandError } from '../command-error.js';
import { readText } from '../signatures/files.js';
import { clock, count, flag, needed, type Outcome, readWords, text } from '../signatures/options.js';
import { receiptText } from '../verify-run/receipt-text.js';
import { checksOf, failed } from '../verify-run/run-checks.js';
import { MOST_RECEIPT_BYTES, parsedReceipt, RunOfService } from '../verify-run/run-of-service.js';

const OPTIONS = { keys: 'text', run: 'text', bundle: 'text', definition: 'flag' } as const;

/** Whether a receipt is one of a worker whose key is believed, and, unless it comes from a file, whether the service has what it tells. */
export async function run(args: string[], environment: Environment): Promise<Outcome> {
  const fromFile = args.some((word) => /^--bundle(=|$)/.test(word));
  const words = readWords(idsLast(args), fromFile ? 0 : 1, OPTIONS, 'leasehold help');
  const keySet = await keySetIn(needed(words, 'keys', "the file of a key set with the workers' keys"));
  const bundle = text(words, 'bundle');
  try {
    if (bundle !== undefined) return verifyFile(await readText(bundle, MOST_RECEIPT_BYTES), keySet);
    const service = await RunOfService.find(environment, words.positionals[0]!, count(words, 'run'));
    return await verifyRun(service, keySet, flag(words, 'definition'));
  } catch (error) {
    if (!(error instanceof ReceiptError)) throw error;
    const { code, detail } = error;
    return { text: `Not good: ${error.message}`, json: { good: false, code, detail }, exitCode: 1 };
  }
}

/** The id of a task may begin with -, and is no option then. */
function idsLast(args: string[]): string[] {
  const isId = (word: string) => /^-[\w-]{21}$/.test(word);
  return args.some(isId) ? [...args.filter((word) => !isId(word)), '--', ...args.filter(isId)] : args;
}

function verifyFile(json: string, keySet: KeySet): Outcome {
  const receipt = verifyReceipt(parsedReceipt(json), keySet, clock());
  const heading = 'Good: the receipt is signed by a key of the set. What it tells was compared with nothing.';
  return { text: `${heading}\n${receiptText(receipt)}`, json: { good: true, compared: false, ...receipt } };
}

async function verifyRun(service: RunOfService, keySet: KeySet, showsDefinition: boolean): Promise<Outcome> {
  const receipt = verifyReceipt(await service.receipt(), keySet, clock());
  const checks = await checksOf(receipt.statement, service);
  const problems = checks.filter(({ good }) => !good).map(failed);
  const { taskId, runId, definition } = service;
  const good = problems.length === 0;
  const heading = `${good ? 'Good' : 'Not good'}: run ${runId} of task ${taskId}`;
  const shown = showsDefinition ? `\n\n${harmless(JSON.stringify(definition, null, 2))}` : '';
  return {
    text: `${[heading, receiptText(receipt, checks), ...problems.map((problem) => `Not good: ${problem}.`)].join('\n')}${shown}`,
    json: { good, compared: true, problems, checks, ...receipt, ...(showsDefinition && { definition }) },
    exitCode: good ? 0 : 1,
  };
}

/** JSON leaves some characters as they are that steer a terminal, or turn what is read. */
function harmless(json: string): string {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return json.replace(/[\x7f-\x9f\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => character.split('').map(escaped).join(''));
}

async function keySetIn(file: string): Promise<KeySet> {
  const json = await readText(file);
  try {
    return readKeySet(json);
  } catch (error) {
    if (error instanceof SignatureError) throw new CommandError(`${file}: ${error.detail}`, 2);
    throw error;
  }
}
