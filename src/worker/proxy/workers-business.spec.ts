import { describe, expect, it } from '@jest/globals';
import { isOfTheWorker } from '../payload/workers-artifacts.js';
import { assertNotTheWorkers } from './workers-business.js';

const RUN = '/api/queue/v1/task/VRzY2SYSQpWrgqKPQ0aZOw/runs/0';
const RESERVED = isOfTheWorker;

describe('what is the worker alone to do', () => {
  it.each([
    `${RUN}/reclaim`,
    `${RUN}/completed`,
    `${RUN}/failed/`,
    `${RUN}/exception?x`,
    `${RUN}/signature`,
    `${RUN}/claim`,
    `${RUN}/comple%74ed`,
    `${RUN}/Completed`,
    `${RUN}/completed;x`,
    `${RUN.replace('runs', 'run%73')}/completed`,
    `${RUN.replace('runs/0', 'runs/00')}/reclaim`,
    '/api/queue/v1/task/AnotherTaskOfAllOfThem/runs/1/reclaim',
    '/api/queue/v1/claim-work/p%2Fw',
    '/api/queue/v1/claim-work/p/w',
    '/api/queue/v1/claim%2Dwork/p/w',
    `${RUN}/artifacts/public%2Freceipt.json`,
    `${RUN}/artifacts/public/receipt.json`,
    `${RUN}/artifacts/public/receipt%2Ejson/`,
    `${RUN}/artifacts/public%2Flogs/live.log?x`,
  ])('%s is refused', (resource) => {
    expect(() => assertNotTheWorkers(resource, RESERVED)).toThrow(expect.objectContaining({ status: 403, code: 'InsufficientScopes' }));
  });

  it.each([
    '/api/queue/v1/task/VRzY2SYSQpWrgqKPQ0aZOw/status',
    '/api/queue/v1/task/VRzY2SYSQpWrgqKPQ0aZOw/artifacts/completed',
    '/api/queue/v1/tasks/create',
    `${RUN}/artifacts/public%2Freceipt.json2`,
    `${RUN}/artifacts/public%2Fcompleted`,
    `${RUN}/artifacts`,
    '/api/other/v1/task/x/runs/0/completed',
    '/api/queue/v1/ping',
  ])('%s is not', (resource) => expect(() => assertNotTheWorkers(resource, RESERVED)).not.toThrow());
});
