import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ArtifactError } from '../artifacts/artifact-error.js';
import { type Entry, logTo } from '../log.js';
import { RunWitness } from './run-witness.js';

const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-witness-'));
afterAll(() => rmSync(directory, { recursive: true }));

const NOW = new Date().toISOString();
const ENDED = {
  startedAt: NOW,
  finishedAt: NOW,
  lastUse: 0,
  credentialsLent: false,
  outcome: { outcome: 'succeeded', steps: [], results: {} },
} as const;
const LEFT = { artifacts: [], log: { sha256: '0'.repeat(64), bytes: 0, dropped: 0 } };

/** What is logged where the receipt of a run is signed, put on the disk and uploaded by these. */
async function leftReceipt({ sign, put = async () => undefined, file = 'receipt.json' }: Record<'sign', () => unknown> & Put) {
  const entries: Entry[] = [];
  const parts = {
    task: { taskId: 'fN1SbArXTPSVFNUvaOlinQ', runId: 0, definition: { scopes: [] }, verdict: 'unchecked' },
    ...{ taskQueueId: 'builds/linux', keeper: { client: {}, credentials: {} }, artifacts: { putFile: put } },
    directory: { receipt: path.join(directory, file) },
    names: { log: 'public/logs/live.log', receipt: 'public/receipt.json' },
    setting: { config: { workerGroup: 'g', workerId: 'w', isolation: 'none' }, receiptKey: { kid: 'worker', alg: 'EdDSA', sign } },
    log: logTo((entry) => entries.push(entry)),
  };
  const witness = new RunWitness(parts as unknown as ConstructorParameters<typeof RunWitness>[0]);
  await witness.leaveReceipt(ENDED, LEFT);
  return entries.map(({ level, msg, why }) => ({ level, msg, why }));
}
interface Put {
  put?: () => Promise<unknown>;
  file?: string;
}

const broken = () => {
  throw new TypeError('the key is broken');
};
const signed = async () => new Uint8Array(64);

it('a receipt that cannot be made, or written, costs no run', async () => {
  const told = { level: 'warn', msg: 'There is no receipt of the run' };
  expect(await leftReceipt({ sign: broken })).toEqual([{ ...told, why: 'the key is broken' }]);
  expect(await leftReceipt({ sign: signed, file: 'missing/receipt.json' })).toEqual([{ ...told, why: expect.stringMatching(/^ENOENT/) }]);
  expect(await leftReceipt({ sign: signed })).toEqual([]);
});

it('one that cannot be kept is as an artifact that cannot', async () => {
  const put = async () => {
    throw new ArtifactError('unavailable', 'nobody answered');
  };
  await expect(leftReceipt({ sign: signed, put, file: 'other.json' })).rejects.toThrow('nobody answered');
});
