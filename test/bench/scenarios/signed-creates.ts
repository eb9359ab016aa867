import { SIGNING_ALGS } from '../../../src/signatures/algorithms.js';
import { generateKey, type TaskKey } from '../../../src/signatures/generate-key.js';
import { AUDIENCE, HttpDriver } from '../drivers/http.js';
import type { Job } from '../job.js';
import { cpuColumns, median, perSecond, type Round, type Row, rounded } from '../row.js';
import type { Deployment, Stage } from '../stage.js';
import { type Scenario, UNBOUNDED, WARM_UP_SECONDS } from './scenario.js';

const CONCURRENCIES = [1, 8];

/**
 * createTask with a signature that the task queue requires, and without, in turns. Signing is not measured; but it takes time and CPU from
 * the service, so what is sent without a signature was signed all the same.
 */
export const signedCreates: Scenario = {
  name: 'signed-creates',
  async run(stage, progress) {
    const deployment = await stage.deploy({ SIGNATURE_AUDIENCE: AUDIENCE });
    const rows: Row[] = [];
    for (const alg of SIGNING_ALGS) {
      const key = generateKey(alg);
      for (const concurrency of CONCURRENCIES) {
        progress(`${alg}, ${concurrency} at once`);
        const [unsigned, signed]: [Round[], Round[]] = [[], []];
        for (let round = 0; round < stage.options.rounds; round++) {
          unsigned.push(await one(stage, deployment, { key, discard: true, concurrency }));
          signed.push(await one(stage, deployment, { key, discard: false, concurrency }));
        }
        rows.push(row(`${alg}, discarded`, concurrency, unsigned, unsigned), row(alg, concurrency, signed, unsigned));
      }
    }
    await stage.remove(deployment);
    return rows;
  },
};

interface Way {
  key: TaskKey;
  discard: boolean;
  concurrency: number;
}

async function one(stage: Stage, { services }: Deployment, { key, discard, concurrency }: Way): Promise<Round> {
  const taskQueueId = stage.newQueue();
  const urls = [services[0]!.url];
  if (!discard) await requireSignatures(urls, taskQueueId, key);
  const over = { driver: 'http' as const, urls, sign: { key: key.privateJwk, discard } };
  const { roundSeconds: seconds } = stage.options;
  const job: Job = { kind: 'creates', over, taskQueueId, concurrency, batch: 1, seconds, warmUpSeconds: WARM_UP_SECONDS, tasks: UNBOUNDED };
  return stage.perform(job);
}

async function requireSignatures(urls: string[], taskQueueId: string, { publicJwk }: TaskKey): Promise<void> {
  const driver = new HttpDriver(urls, taskQueueId, 1);
  try {
    await driver.require({ version: 1, keys: [publicJwk] });
  } finally {
    await driver.close();
  }
}

/** `more` is taken within each round, as both had the same machine then; the one in the middle. */
function row(what: string, concurrency: number, rounds: Round[], unsigned: Round[]): Row {
  const round = median(rounds);
  const more = rounds.map(({ calls }, index) => calls.create!.p50 - unsigned[index]!.calls.create!.p50).toSorted((a, b) => a - b);
  const rates = { 'creates/s': Math.round(perSecond(round)), 'p50, ms more': rounded(more[Math.floor((more.length - 1) / 2)]!) };
  return { scenario: 'signed-creates', what, concurrency, ...rates, ...round.calls, ...cpuColumns(round) };
}
