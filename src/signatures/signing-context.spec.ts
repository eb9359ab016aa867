import { SignatureError } from './signature-error.js';
import { contextFor, type SigningTerms } from './signing-context.js';

const NOW = 1_800_000_000;
const at = (seconds: number) => new Date((NOW + seconds) * 1000).toISOString();
const DEFINITION = { taskQueueId: 'builds/linux', deadline: at(3600.9), retries: 2 };
const TERMS: SigningTerms = { audience: 'https://tasks.example.com', taskId: 'fN1SbArXTPSVFNUvaOlinQ', now: NOW };

const context = (terms: Partial<SigningTerms> = {}, definition: Record<string, unknown> = {}) =>
  contextFor({ ...DEFINITION, ...definition }, { ...TERMS, ...terms });

it('(36, 38, 42) follows from the definition: its task queue, its deadline in whole seconds, a run and its retries', () => {
  const { now: _, ...rest } = TERMS;
  expect(context()).toEqual({ ...rest, taskQueueId: 'builds/linux', iat: NOW, exp: NOW + 3600, maxRuns: 3 });
});

it.each<[string, Partial<SigningTerms>, Record<string, unknown>, Record<string, unknown>]>([
  ['(36) another task queue', { taskQueueId: 'builds/mac' }, {}, { taskQueueId: 'builds/mac' }],
  ['(42) an earlier end', { expires: NOW + 1 }, {}, { exp: NOW + 1 }],
  ['(42) an end at the deadline', { expires: NOW + 3600 }, {}, { exp: NOW + 3600 }],
  ['(42) an end without a deadline', { expires: NOW + 9999 }, { deadline: undefined }, { exp: NOW + 9999 }],
  ['(38) more runs', { maxRuns: 10 }, {}, { maxRuns: 10 }],
  ['(38) no retries', {}, { retries: 0 }, { maxRuns: 1 }],
  ['(38) nothing of retries', {}, { retries: undefined }, { maxRuns: 1 }],
])('%s is as it is said', (_, terms, definition, expected) => {
  expect(context(terms, definition)).toMatchObject(expected);
});

it.each<[string, Partial<SigningTerms>, Record<string, unknown>, RegExp]>([
  ['(36) no task queue', {}, { taskQueueId: undefined }, /no taskQueueId; set it/],
  ['(42) no deadline', {}, { deadline: undefined }, /no deadline; set it/],
  ['(42) a deadline that is no text', {}, { deadline: NOW + 3600 }, /no deadline/],
  ['(42) a deadline that is no time', {}, { deadline: 'soon' }, /no deadline/],
  ['(42) a deadline that has passed', {}, { deadline: at(0.5) }, /deadline of its definition has passed/],
  ['(42) an end beyond the deadline', { expires: NOW + 3601 }, {}, /expires is beyond the deadline/],
  ['(42) an end in milliseconds', { expires: (NOW + 60) * 1000 }, {}, /in unix seconds/],
  ['(39) an end that has passed', { expires: NOW }, {}, /expires must be after now/],
  ['(39) now in milliseconds', { now: NOW * 1000 }, {}, /now must be in unix seconds/],
  ['(39) no whole second', { now: NOW + 0.5 }, {}, /now must be in unix seconds/],
])('%s is refused', (_, terms, definition, says) => {
  expect(() => context(terms, definition)).toThrow(SignatureError);
  expect(() => context(terms, definition)).toThrow(says);
});
