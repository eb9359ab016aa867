import fc from 'fast-check';
import { canonicalJson } from './canonical-json.js';
import { NormalFormError, normalForm } from './normal-form.js';

const TASK_ID = 'fN1SbArXTPSVFNUvaOlinQ';
const LEAST = {
  taskQueueId: 'p/w',
  created: '2026-11-22T12:00:00Z',
  deadline: '2026-11-22T13:00:00.123456Z',
  payload: { command: ['true'] },
  metadata: { name: 'n', description: 'd', owner: 'o', source: 'https://example.com' },
};

const refused = (change: Record<string, unknown>) => () => normalForm(TASK_ID, { ...LEAST, ...change });

describe('the normal form of a definition', () => {
  it('has every member, and times in milliseconds', () => {
    expect(normalForm(TASK_ID, LEAST)).toEqual({
      ...LEAST,
      ...{ provisionerId: 'p', workerType: 'w', schedulerId: '-', projectId: 'none', taskGroupId: TASK_ID, dependencies: [] },
      ...{ requires: 'all-completed', routes: [], priority: 'lowest', retries: 5, scopes: [], tags: {}, extra: {} },
      ...{ created: '2026-11-22T12:00:00.000Z', deadline: '2026-11-22T13:00:00.123Z', expires: '2027-11-22T13:00:00.123Z' },
    });
  });

  it('is its own normal form, whatever was given, and keeps what was given', () => {
    const json = fc.dictionary(fc.string(), fc.jsonValue());
    const given = fc.record(
      {
        ...{ schedulerId: fc.string(), retries: fc.nat(49), priority: fc.constantFrom('high', 'lowest'), routes: fc.array(fc.string()) },
        ...{ taskGroupId: fc.constant('g'), scopes: fc.array(fc.string()), extra: json, tags: json, payload: json },
      },
      { requiredKeys: ['payload'] },
    );
    fc.assert(
      fc.property(given, (members) => {
        const once = normalForm(TASK_ID, { ...LEAST, ...members });
        expect(once).toMatchObject(members);
        expect(canonicalJson(normalForm(TASK_ID, once))).toBe(canonicalJson(once));
      }),
    );
  });

  it.each([
    ['no task queue', { taskQueueId: undefined }, 'names no task queue'],
    ['two of them', { provisionerId: 'q' }, 'let them agree'],
    ['a queue of three parts', { taskQueueId: 'p/w/x' }, 'is not <provisionerId>/<workerType>'],
    ['no payload', { payload: undefined }, 'no payload'],
    ['no metadata', { metadata: undefined }, 'no metadata'],
    ['no deadline', { deadline: undefined }, 'no deadline'],
    ['a time that is none', { expires: 'soon' }, 'expires must be'],
    ['a member that there is not', { taskQueueID: 'p/w', retires: 3 }, 'no taskQueueID, retires'],
  ])('there is none with %s', (_, change, message) => {
    expect(refused(change)).toThrow(NormalFormError);
    expect(refused(change)).toThrow(message);
  });
});
