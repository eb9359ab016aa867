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

  it("is nobody's to change for the next one", () => {
    const { scopes, tags, extra } = normalForm(TASK_ID, LEAST) as { scopes: string[]; tags: object; extra: object };
    expect(() => scopes.push('*')).toThrow(TypeError);
    expect(() => Object.assign(tags, { a: 'b' })).toThrow(TypeError);
    expect(() => Object.assign(extra, { a: 'b' })).toThrow(TypeError);
    expect(normalForm(TASK_ID, LEAST)).toMatchObject({ scopes: [], tags: {}, extra: {} });
  });

  it('reads times with any offset, on the last day of February, too', () => {
    const form = normalForm(TASK_ID, { ...LEAST, created: '2028-02-29t23:30:00.9999-01:00', expires: '2028-12-31T23:59:59Z' });
    expect(form).toMatchObject({ created: '2028-03-01T00:30:00.999Z', expires: '2028-12-31T23:59:59.000Z' });
  });

  it.each([
    ['no task queue', { taskQueueId: undefined }, 'names no task queue'],
    ['two of them', { provisionerId: 'q' }, 'let them agree'],
    ['a queue of three parts', { taskQueueId: 'p/w/x' }, 'is not <provisionerId>/<workerType>'],
    ['no payload', { payload: undefined }, 'no payload'],
    ['no metadata', { metadata: undefined }, 'no metadata'],
    ['no deadline', { deadline: undefined }, 'no deadline'],
    ['a queue that is no text', { taskQueueId: ['p/w'] }, 'taskQueueId must be a text'],
    ['a provisioner that is no text', { taskQueueId: undefined, provisionerId: 5, workerType: 'w' }, 'provisionerId must be a text'],
    ['a time that is none', { expires: 'soon' }, 'expires must be'],
    ['a time of somewhere', { created: '2026-11-22T12:00:00' }, 'created must be'],
    ['a number for a time', { deadline: 1_800_000_000 }, 'deadline must be'],
    ['a Date for a time', { deadline: new Date(0) }, 'deadline must be'],
    ['an object for a time', { deadline: { toString: 1 } }, 'deadline must be'],
    ['a time that is too far to have a year after it', { deadline: '+275760-09-13T00:00:00.000Z' }, 'deadline must be'],
    ['a day that there is not', { deadline: '2026-02-30T12:00:00Z' }, 'deadline must be'],
    ['the 29th of February of most years', { created: '2027-02-29T12:00:00Z' }, 'created must be'],
    ['an hour that there is not', { expires: '2028-11-22T24:00:00Z' }, 'expires must be'],
    ['a leap second', { expires: '2028-12-31T23:59:60Z' }, 'expires must be'],
    ['an offset that there is not', { expires: '2028-11-22T12:00:00+24:00' }, 'expires must be'],
    ['a year of five digits', { deadline: '9999-12-31T23:59:59-01:00' }, 'deadline must be'],
    ['a year before the first', { created: '0001-01-01T00:00:00+01:00' }, 'created must be'],
    ['a deadline without a year after it', { deadline: '9999-06-01T00:00:00Z' }, 'set expires'],
    ['a time of very many digits', { created: `2026-11-22T12:00:00.${'1'.repeat(50)}Z` }, 'created must be'],
    ['a text for its metadata', { metadata: 'ab' }, 'metadata must be an object'],
    ['a list for its metadata', { metadata: [] }, 'metadata must be an object'],
    ['a number for its metadata', { metadata: 5 }, 'metadata must be an object'],
    ['a member that is null', { scopes: null, expires: null }, 'leave out scopes, expires'],
    ['null for what it needs', { payload: null, metadata: null }, 'leave out payload, metadata'],
    ['a member that there is not', { taskQueueID: 'p/w', retires: 3 }, 'no taskQueueID, retires'],
  ])('there is none with %s', (_, change, message) => {
    expect(refused(change)).toThrow(NormalFormError);
    expect(refused(change)).toThrow(message);
  });
});
