import { type Definition, payloadOf, payloadProblem, type SigningContext } from './task-payload.js';

const CONTEXT: SigningContext = {
  audience: 'https://tasks.example.com',
  taskId: 'fN1SbArXTPSVFNUvaOlinQ',
  taskQueueId: 'builds/linux',
  iat: 1_800_000_000,
  exp: 1_800_003_600,
  maxRuns: 1,
};
const problemOf = (change: Record<string, unknown>, definition: Definition = {}) =>
  payloadProblem(payloadOf({ ...CONTEXT, ...change } as SigningContext, definition));

it.each<[string, Record<string, unknown>]>([
  ['(37) an audience of one character', { audience: 'x' }],
  ['(37) an audience of 1024 characters', { audience: 'x'.repeat(1024) }],
  ['(36) a task queue of 1024 characters', { taskQueueId: `p/${'w'.repeat(1022)}` }],
  ['(39) one second', { exp: CONTEXT.iat + 1 }],
  ['(39) the last second that there is', { exp: 1e11 - 1 }],
  ['(38) 1001 runs', { maxRuns: 1001 }],
])('%s can be signed', (_, change) => {
  expect(problemOf(change)).toBeUndefined();
});

it.each<[string, Record<string, unknown>, RegExp]>([
  ['(37) an empty audience', { audience: '' }, /^aud must be a text/],
  ['(37) an audience of 1025 characters', { audience: 'x'.repeat(1025) }, /^aud must be a text/],
  ['(37) a list of audiences', { audience: ['x'] }, /^aud must be a text/],
  ['(36) a task queue of 1025 characters', { taskQueueId: `p/${'w'.repeat(1023)}` }, /^taskQueueId must be/],
  ['(36) a list of one task queue', { taskQueueId: ['builds/linux'] }, /^taskQueueId must be/],
  ['(36) a task queue of one part', { taskQueueId: 'builds' }, /^taskQueueId must be/],
  ['(36) a task queue of three parts', { taskQueueId: 'builds/linux/x' }, /^taskQueueId must be/],
  ['(35) an id of 21 characters', { taskId: CONTEXT.taskId.slice(1) }, /^taskId must be/],
  ['(35) an id of 23 characters', { taskId: `${CONTEXT.taskId}Q` }, /^taskId must be/],
  ['(35) a list of one id', { taskId: [CONTEXT.taskId] }, /^taskId must be/],
  ['(39) no second', { exp: CONTEXT.iat }, /^exp must be after iat/],
  ['(39) an end that is nearly in milliseconds', { exp: 1e11 }, /^exp must be a time/],
  ['(39) half a second', { iat: 0.5 }, /^iat must be a time/],
  ['(38) no runs', { maxRuns: 0 }, /^maxRuns must be/],
  ['(38) 1002 runs', { maxRuns: 1002 }, /^maxRuns must be/],
  ['(38) one run and a half', { maxRuns: 1.5 }, /^maxRuns must be/],
])('%s cannot be signed', (_, change, says) => {
  expect(problemOf(change)).toMatch(says);
});

it('(19) a definition is an object, for the same task queue if it names one', () => {
  expect(problemOf({}, { taskQueueId: 'builds/linux' })).toBeUndefined();
  expect(problemOf({}, { taskQueueId: 'builds/mac' })).toMatch(/another one$/);
  for (const none of [null, [], 'x']) expect(problemOf({}, none as unknown as Definition)).toMatch(/^definition must be/);
});
