import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { checked } from '../http/body.js';
import { stringifyAnswer } from '../http/raw-json.js';
import { PRIORITIES } from './priority.js';
import { CreateTaskRequest } from './task.dto.js';
import { assertTimely, digestOf, normalizeDefinition, shownDefinition } from './task-definition.js';

const TASK_ID = 'fN1SbArXTPSVFNUvaOlinQ';
const NOW = Date.parse('2026-11-22T12:00:00.000Z');
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const at = (ms: number) => new Date(NOW + ms).toISOString();

const request = (overrides: Record<string, unknown> = {}) =>
  checked(CreateTaskRequest, {
    taskQueueId: 'p/w',
    created: at(0),
    deadline: at(60 * MINUTE),
    payload: {},
    metadata: { name: 'n', description: 'd', owner: 'o', source: 'https://example.com' },
    ...overrides,
  });
const normalized = (overrides: Record<string, unknown> = {}) => normalizeDefinition(TASK_ID, request(overrides));
const digest = (overrides: Record<string, unknown> = {}) => digestOf(normalized(overrides)).toString('hex');

/** As it arrives: -0 is 0. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

describe('a definition', () => {
  it('has every field, whatever was left out', () => {
    expect(normalized()).toEqual({
      provisionerId: 'p',
      workerType: 'w',
      taskQueueId: 'p/w',
      schedulerId: '-',
      projectId: 'none',
      taskGroupId: TASK_ID,
      dependencies: [],
      requires: 'all-completed',
      routes: [],
      priority: 'lowest',
      retries: 5,
      created: at(0),
      deadline: at(60 * MINUTE),
      expires: '2027-11-22T13:00:00.000Z',
      scopes: [],
      payload: {},
      metadata: { name: 'n', description: 'd', owner: 'o', source: 'https://example.com' },
      tags: {},
      extra: {},
    });
  });

  it('expires a calendar year after its deadline', () => {
    expect(normalized({ deadline: '2027-02-28T12:00:00Z' }).expires).toBe('2028-02-28T12:00:00.000Z');
    expect(normalized({ deadline: '2027-03-01T12:00:00Z' }).expires).toBe('2028-03-01T12:00:00.000Z');
    expect(normalized({ deadline: '2028-02-29T12:00:00Z' }).expires).toBe('2029-03-01T12:00:00.000Z');
  });

  it.each([
    ['2026-11-22T12:00:00.123999Z', '2026-11-22T12:00:00.123Z'],
    ['2026-11-22T12:00:00.1Z', '2026-11-22T12:00:00.100Z'],
    ['2026-11-22T12:00:00Z', '2026-11-22T12:00:00.000Z'],
    ['2026-11-22T14:30:00.9999+02:30', '2026-11-22T12:00:00.999Z'],
    ['2026-11-22t12:00:00z', '2026-11-22T12:00:00.000Z'],
  ])('says %s as %s', (given, said) => {
    expect(normalized({ created: given }).created).toBe(said);
  });

  it('names its queue in all ways, and refuses ways that differ', () => {
    const forms = [
      { taskQueueId: 'p/w' },
      { taskQueueId: undefined, provisionerId: 'p', workerType: 'w' },
      { provisionerId: 'p', workerType: 'w' },
      { provisionerId: 'p' },
      { workerType: 'w' },
    ];
    for (const form of forms) expect(normalized(form)).toMatchObject({ taskQueueId: 'p/w', provisionerId: 'p', workerType: 'w' });
    for (const form of [
      { provisionerId: 'q' },
      { workerType: 'x' },
      { taskQueueId: undefined },
      { taskQueueId: undefined, workerType: 'w' },
    ]) {
      expect(() => normalized(form)).toThrow(/taskQueueId/);
    }
  });

  it('is shown with the priority that the task has now, and otherwise byte by byte as it was stored', () => {
    const odd = [
      'a',
      ',"priority":"high"',
      '"priority":"',
      'priority',
      '\\",\\"priority\\":\\"',
      '\u0000',
      '\u2028',
      '\u{1F600}',
      '"',
      '$&',
    ];
    const text = fc.oneof(
      fc.constantFrom(...odd),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 9 }).filter((one) => !one.includes('\0')),
    );
    const overrides = fc.record({
      routes: fc.uniqueArray(text, { maxLength: 3 }),
      payload: fc.jsonValue().map((value) => ({ priority: 'high', 'a,"priority":"': value, 10: 1e300, 9: 1e21 })),
      tags: fc.dictionary(text, fc.constantFrom('low', ',"priority":"')).map((tags) => ({ priority: 'low', ...tags })),
      extra: text.map((priority) => ({ priority })),
      priority: fc.constantFrom(...PRIORITIES),
    });
    fc.assert(
      fc.property(overrides, fc.nat({ max: PRIORITIES.length - 1 }), (fields, rank) => {
        const definition = normalizeDefinition(TASK_ID, { ...request(), ...fields });
        const shown = stringifyAnswer(shownDefinition({ definition: JSON.stringify(definition), rank, isSigned: false }));
        expect(shown).toBe(JSON.stringify({ ...definition, priority: PRIORITIES[rank] }));
      }),
    );
  });
});

describe('the digest', () => {
  it('is the same for all ways to say the same', () => {
    const payload = { a: { c: 1, b: [1, { e: 1, d: 2 }] } };
    const same = digest({ payload });
    expect(digest({ payload: { a: { b: [1, { d: 2, e: 1 }], c: 1.0 } } })).toBe(same);
    expect(digest({ payload, created: at(0).replace('Z', '999Z') })).toBe(same);
    expect(digest({ payload, taskQueueId: undefined, provisionerId: 'p', workerType: 'w' })).toBe(same);
    expect(
      digest({
        payload,
        taskGroupId: TASK_ID,
        retries: 5,
        schedulerId: '-',
        projectId: 'none',
        tags: {},
        expires: at(365 * DAY + 60 * MINUTE),
      }),
    ).toBe(same);
  });

  it('is another one when anything differs', () => {
    const payload = fc.jsonValue({ maxDepth: 2 }).map((value) => ({ value }));
    fc.assert(
      fc.property(payload, payload, (one, other) => {
        expect(digest({ payload: one }) === digest({ payload: other })).toBe(isDeepStrictEqual(plain(one), plain(other)));
      }),
    );
    for (const difference of [{ retries: 4 }, { scopes: ['a'] }, { extra: { a: null } }, { tags: { a: '' } }, { priority: 'low' }]) {
      expect(digest(difference)).not.toBe(digest());
    }
    expect(digest({ scopes: ['a', 'b'] })).not.toBe(digest({ scopes: ['b', 'a'] }));
  });
});

describe('the clock', () => {
  const timely = (overrides: Record<string, unknown>, days = 5) => assertTimely(normalized(overrides), NOW, days);

  it.each([
    [{ created: at(-15 * MINUTE) }, { created: at(-15 * MINUTE - 1) }, 'created'],
    [{ created: at(15 * MINUTE) }, { created: at(15 * MINUTE + 1) }, 'created'],
    [{ created: at(1), deadline: at(1) }, { created: at(1), deadline: at(0) }, 'deadline'],
    [{ created: at(-10), deadline: at(0) }, { created: at(-10), deadline: at(-1) }, 'deadline'],
    [{ deadline: at(5 * DAY + 15 * MINUTE) }, { deadline: at(5 * DAY + 15 * MINUTE + 1) }, 'deadline'],
    [{ expires: at(60 * MINUTE) }, { expires: at(60 * MINUTE - 1) }, 'expires'],
  ])('lets pass %j, but not %j', (right, wrong, field) => {
    expect(() => timely(right)).not.toThrow();
    expect(() => timely(wrong)).toThrow(new RegExp(`^${field} `));
  });

  it('allows deadlines as far ahead as it is told', () => {
    expect(() => timely({ deadline: at(9 * DAY) }, 10)).not.toThrow();
    expect(() => timely({ deadline: at(9 * DAY) }, 8)).toThrow('8 days');
  });
});
