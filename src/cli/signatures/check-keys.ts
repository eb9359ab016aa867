import { type KeySet, mayReplace, readKeySet } from '../../signatures/key-set.js';
import { keyStateAt } from '../../signatures/verification-key.js';
import { isOpenToWriters, readText } from './files.js';
import { keyTable, shownKeys } from './key-table.js';
import { clock, instant, type Outcome, readWords, shownTime, text } from './options.js';

/** Whether verifiers take a key set, and what its keys are good for. */
export async function checkKeys(args: string[]): Promise<Outcome> {
  const words = readWords(args, 1, { previous: 'text', at: 'text' });
  const file = words.positionals[0]!;
  const now = instant(words, 'at') ?? clock();
  const set = readKeySet(await readText(file));
  const previous = text(words, 'previous');
  const problems = [
    ...problemsAt(set, now),
    ...(file !== '-' && (await isOpenToWriters(file)) ? [`others can write to ${file}, and so let anybody sign; chmod go-w it`] : []),
    ...(previous === undefined ? [] : rollbackOf(readKeySet(await readText(previous)), set)),
  ];
  const { version, expires, digest } = set;
  return {
    text: [keyTable(set, now), ...problems.map((problem) => `Refused: ${problem}.`)].join('\n'),
    json: { good: problems.length === 0, problems, version, ...(expires !== undefined && { expires }), digest, keys: shownKeys(set, now) },
    exitCode: problems.length === 0 ? 0 : 1,
  };
}

function problemsAt({ keys, expires }: KeySet, now: number): string[] {
  if (expires !== undefined && now >= expires) return [`the set expired at ${shownTime(expires)}; make a newer one`];
  const anyValid = Object.values(keys).some((key) => keyStateAt(key, now) === 'valid');
  return anyValid ? [] : ['none of its keys is valid now; add one with keys rotate, or set nbf'];
}

function rollbackOf(previous: KeySet, set: KeySet): string[] {
  if (mayReplace(previous, set)) return [];
  return [`verifiers that have seen version ${previous.version} would not take it; raise its version above that`];
}
