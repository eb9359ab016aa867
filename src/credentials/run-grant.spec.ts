import fc from 'fast-check';
import { satisfies } from '../scopes/scope.js';
import { holdsAll, holdsScope, intersectScopes } from '../scopes/scope-set.js';
import {
  authorizedRest,
  certificateScopes,
  createArtifactScope,
  type HeldRun,
  ownRunScopes,
  parseRunClientId,
  runClientId,
  runRole,
  runScopes,
  runStanding,
  whyRunIsOver,
} from './run-grant.js';

const RUN: HeldRun = {
  taskId: 'dSlITZ4yQgmvxxAi4A8fHQ',
  runId: 0,
  workerGroup: 'wg',
  workerId: 'wid',
  takenUntil: new Date(1_700_001_200_123),
  taskScopes: [],
};
const IDENTITIES = ['assume:worker-id:', 'queue:worker-id:'];

const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,38}$/);
const taskId = fc.stringMatching(/^[A-Za-z0-9_-]{22}$/);
const moment = fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true });
const scope = fc.stringMatching(/^[!#-[\]-~]{1,60}$/);
const bareRun = fc.record({ taskId, runId: fc.nat(1000), workerGroup: name, workerId: name, takenUntil: moment });
/** A run whose task asks for anything, often for what has to do with its worker. */
const heldRun = bareRun.chain((run) => {
  const whole = `${run.workerGroup}/${run.workerId}`;
  const near = fc
    .tuple(fc.constantFrom(...IDENTITIES), fc.nat(whole.length + 1), fc.constantFrom('', '*', 'x', 'x*', '**'))
    .map(([prefix, length, end]) => prefix + whole.slice(0, length) + end);
  return fc.array(fc.oneof(scope, near), { maxLength: 30 }).map((taskScopes) => ({ ...run, taskScopes }));
});

const isIdentity = (one: string, run: HeldRun) =>
  IDENTITIES.some((prefix) => one.startsWith(prefix) && satisfies(one, `${prefix}${run.workerGroup}/${run.workerId}`));

describe('the clientId of a run', () => {
  it.each([
    [1_700_001_200_123, '1700001200.123'],
    [1_700_001_200_100, '1700001200.1'],
    [1_700_001_200_000, '1700001200'],
    [1_700_001_200_001, '1700001200.001'],
  ])('names it, its worker and its lease in seconds: %d', (takenUntil, seconds) => {
    const expected = `task-client/dSlITZ4yQgmvxxAi4A8fHQ/0/on/wg/wid/until/${seconds}`;
    expect(runClientId({ ...RUN, takenUntil: new Date(takenUntil) })).toBe(expected);
  });

  it('is read back', () => {
    fc.assert(
      fc.property(bareRun, ({ takenUntil, ...holder }) => {
        expect(parseRunClientId(runClientId({ ...holder, takenUntil }))).toEqual(holder);
      }),
    );
  });

  const good = runClientId(RUN);
  it.each([
    '',
    'static/leasehold/queue',
    `x${good}`,
    `${good}x`,
    `${good}\n`,
    good.replace('task-client', 'task-clients'),
    good.replace('/0/', '/-1/'),
    good.replace('/0/', '/10000/'),
    good.replace('/wg/', '//'),
    good.replace('/wg/', '/w/g/'),
    good.replace('/wid/', `/${'w'.repeat(39)}/`),
    good.replace('dSlITZ4yQgmvxxAi4A8fHQ', 'dSlITZ4yQgmvxxAi4A8fH'),
    good.replace('/until/', '/until'),
    good.replace(/until.*/, 'until/'),
  ])('is not %j', (clientId) => {
    expect(parseRunClientId(clientId)).toBeUndefined();
  });
});

describe('what holding a run entitles to', () => {
  it('is the role of the run, its three scopes and task.scopes, verbatim and in order', () => {
    expect(runScopes({ ...RUN, taskScopes: ['b', 'a*', 'b'] })).toEqual([
      'assume:task-run:dSlITZ4yQgmvxxAi4A8fHQ/0',
      'queue:reclaim-task:dSlITZ4yQgmvxxAi4A8fHQ/0',
      'queue:resolve-task:dSlITZ4yQgmvxxAi4A8fHQ/0',
      'queue:create-artifact:dSlITZ4yQgmvxxAi4A8fHQ/0',
      'b',
      'a*',
    ]);
  });

  it.each([
    'assume:worker-id:wg/wid',
    'assume:worker-id:wg/wid*',
    'assume:worker-id:wg/*',
    'assume:worker-id:wg*',
    'assume:worker-id:*',
    'queue:worker-id:wg/wid',
    'queue:worker-id:wg/w*',
    'queue:worker-id:*',
  ])('is being the run where the task asks to be its worker: %s', (asked) => {
    expect(runScopes({ ...RUN, taskScopes: [asked] })).toEqual(runScopes(RUN));
  });

  it.each([
    'assume:worker-id:wg/other',
    'assume:worker-id:wg/widx',
    'queue:worker-id:other/*',
    'assume:worker-id:wg/wid/*',
    'worker-id:wg/wid',
  ])('leaves the scope of another alone: %s', (asked) => {
    expect(runScopes({ ...RUN, taskScopes: [asked] })).toContain(asked);
  });

  it('never names or covers the worker itself', () => {
    fc.assert(
      fc.property(heldRun, (run) => {
        expect(runScopes(run).filter((one) => isIdentity(one, run))).toEqual([]);
        expect(certificateScopes(run).filter((one) => isIdentity(one, run))).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps everything else, once', () => {
    fc.assert(
      fc.property(heldRun, (run) => {
        const scopes = runScopes(run);
        expect(new Set(scopes).size).toBe(scopes.length);
        const own = [runRole(run), ...ownRunScopes(run), createArtifactScope(run)];
        const asked = run.taskScopes.filter((one) => !isIdentity(one, run));
        expect(new Set(scopes)).toEqual(new Set([...own, ...asked]));
      }),
    );
  });

  it('is listed in the certificate whole, or meant by the role alone', () => {
    fc.assert(
      fc.property(heldRun, (run) => {
        const listed = certificateScopes(run);
        const meant = listed.flatMap((one) => (one === runRole(run) ? runScopes(run) : [one]));
        expect(new Set(meant)).toEqual(new Set(runScopes(run)));
        expect([runScopes(run), [runRole(run)]]).toContainEqual(listed);
      }),
    );
  });

  it('is listed whole up to 1 280 characters of JSON, to the last of them', () => {
    const run = { taskId: 'fN1SbArXTPSVFNUvaOlinQ', runId: 0, workerGroup: 'g', workerId: 'w' };
    const spent = (taskScopes: string[]) => JSON.stringify(runScopes({ ...run, taskScopes })).length;
    for (const scopes of [[], ['a:b'], ['a:b', 'c:d*', "!#$%&'()+,-./:;<=>?@[]^_`{|}~"]]) {
      const filling = 'x'.repeat(1_280 - spent([...scopes, '']));
      const [full, over] = [filling, `${filling}x`].map((last) => [...scopes, last]) as [string[], string[]];
      expect(spent(full)).toBe(1_280);
      expect(certificateScopes({ ...run, taskScopes: full })).toEqual(runScopes({ ...run, taskScopes: full }));
      expect(certificateScopes({ ...run, taskScopes: over })).toEqual([runRole(run)]);
    }
    const repeated = (count: number) => Array.from({ length: count }, () => 'ab'); // 5 characters each, and one
    expect(certificateScopes({ ...run, taskScopes: repeated(255) }).length).toBeGreaterThan(1);
    expect(certificateScopes({ ...run, taskScopes: repeated(256) })).toEqual([runRole(run)]);
  });
});

describe('what a run is restricted to that was left with less', () => {
  const few = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 3 }), { maxLength: 5 });

  it.each([
    [['a', 'b'], ['a', 'b'], ['a'], ['a']],
    [['a*'], ['a*'], ['ab', 'ac*', 'd'], ['ab', 'ac*']],
    [
      ['a', 'c'],
      ['a', 'b'],
      ['a', 'b'],
      ['c', 'a'],
    ],
    [['a'], ['a'], [], []],
  ])('%j of who had %j and has %j is %j', (asked, had, held, rest) => expect(authorizedRest(asked, had, held)).toEqual(rest));

  it('is what it has of that, unless it asks for what it never had', () => {
    fc.assert(
      fc.property(few, few, few, (asked, had, given) => {
        const held = intersectScopes(had, given);
        const rest = authorizedRest(asked, had, held);
        expect(holdsAll(held, rest)).toBe(holdsAll(had, asked));
        expect(holdsAll(asked, rest)).toBe(true);
        for (const one of held) expect(holdsScope(rest, one) || !holdsScope(asked, one)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('does not make its certificate longer than a proxy leaves room for', () => {
    const definedScopes = Array.from({ length: 60 }, (_, index) => `scope:${index}`.padEnd(30, 'x'));
    expect(certificateScopes({ ...RUN, taskScopes: ['a'], definedScopes })).toEqual([runRole(RUN)]);
    expect(certificateScopes({ ...RUN, taskScopes: ['a'], definedScopes: ['a', 'b'] })).toEqual(runScopes({ ...RUN, taskScopes: ['a'] }));
  });
});

describe('what credentials of a run are still good for', () => {
  const states = ['unscheduled', 'pending', 'running', 'completed', 'failed', 'exception'];
  const both = [true, false];

  it.each(states.flatMap((state) => both.flatMap((leased) => both.map((recent) => ({ state, reasonResolved: null, leased, recent })))))(
    '%j',
    (run) => {
      const everything = run.state === 'running' && run.leased;
      const artifacts = run.state === 'exception' && run.recent;
      expect(runStanding(run)).toBe(everything ? 'everything' : artifacts ? 'artifacts' : 'nothing');
    },
  );

  it('is explained', () => {
    const run = { state: 'exception', reasonResolved: 'canceled', leased: false, recent: true };
    const start = 'The credentials are those of run 0 of task dSlITZ4yQgmvxxAi4A8fHQ';
    expect(whyRunIsOver(RUN, undefined)).toBe(`${start}, which does not exist any more`);
    expect(whyRunIsOver(RUN, { ...run, state: 'running' })).toBe(`${start}, whose lease has lapsed (claim-expired)`);
    expect(whyRunIsOver(RUN, run)).toBe(`${start}, which is exception (canceled); they ended with it`);
    expect(whyRunIsOver(RUN, { ...run, state: 'completed', reasonResolved: 'completed' })).toBe(
      `${start}, which is completed; they ended with it`,
    );
  });
});
