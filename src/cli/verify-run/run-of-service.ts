import { createLeaseholdClient } from '../../client/client.js';
import type { components } from '../../client/types.js';
import type { Definition } from '../../signatures/task-payload.js';
import { ReceiptError } from '../../worker/receipt/receipt-error.js';
import { answerOf, type Client, clientOf, type Environment } from '../access.js';
import { CommandError } from '../command-error.js';
import { type Download, digested, NotThere, wholeText } from './downloads.js';

type Status = components['schemas']['TaskStatus'];
type Artifact = components['schemas']['ArtifactResponse'];

/** Bytes of a receipt as JSON: 8 MiB are signed at most, and in base64 that is a third more. */
export const MOST_RECEIPT_BYTES = 12 * 1024 * 1024;

/** Where workers put a receipt: what is private of a run has it where few can read it. */
const RECEIPTS = ['public/receipt.json', 'private/receipt.json'] as const;

/** Of a list of artifacts, with up to 1 000 each. */
const MOST_PAGES = 1_000;

const TASK_ID = /^[A-Za-z0-9_-]{22}$/;

/** What the service, which is not believed, has of a run. */
export class RunOfService {
  private constructor(
    private readonly client: Client,
    /** That was asked for. */
    readonly taskId: string,
    readonly status: Status,
    readonly runId: number,
    /** As the queue shows it. */
    readonly definition: Definition,
  ) {}

  /** The run, or the last one that there is. Throws CommandError. */
  static async find(environment: Environment, taskId: string, wanted?: number): Promise<RunOfService> {
    if (!TASK_ID.test(taskId)) throw new CommandError('the id of a task has 22 letters, digits, - or _; see leasehold help', 2);
    const client = readerOf(environment);
    const params = { params: { path: { taskId } } };
    const { status } = await answerOf(client.GET('/api/queue/v1/task/{taskId}/status', params));
    const runId = wanted ?? status.runs.length - 1;
    if (status.runs.length === 0) throw new CommandError(`Task ${taskId} has no runs yet: it is ${status.state}`);
    if (!status.runs[runId]) throw new CommandError(`Task ${taskId} has ${status.runs.length} runs, counted from 0, and no run ${runId}`);
    const definition = await answerOf(client.GET('/api/queue/v1/task/{taskId}', params));
    return new RunOfService(client, taskId, status, runId, { ...definition });
  }

  get run(): Status['runs'][number] {
    return this.status.runs[this.runId]!;
  }

  /** Its receipt, parsed and otherwise as it came. Throws ReceiptError or CommandError. */
  async receipt(): Promise<unknown> {
    const missing: string[] = [];
    for (const name of RECEIPTS) {
      try {
        return parsedReceipt(await wholeText(await this.download(name), MOST_RECEIPT_BYTES));
      } catch (error) {
        if (!(error instanceof NotThere)) throw error;
        missing.push(`${name} ${error.message}`);
      }
    }
    throw new CommandError(`Run ${this.runId} of task ${this.taskId} has no receipt that can be read: ${missing.join('; ')}`);
  }

  /** SHA-256 in hex of an artifact's bytes, of which there may be so many. Throws NotThere. */
  async digest(name: string, mostBytes: number): Promise<string> {
    return digested(await this.download(name), mostBytes);
  }

  /** Names of its artifacts that lead to bytes, but for the receipt. Undefined where they may not be listed. */
  async names(): Promise<string[] | undefined> {
    const found: Artifact[] = [];
    let continuationToken: string | undefined;
    let pages = 0;
    do {
      if (pages++ >= MOST_PAGES) throw new CommandError(`The service lists artifacts without end: ${MOST_PAGES} pages of them`);
      const params = { path: this.#path, query: continuationToken === undefined ? {} : { continuationToken } };
      const call = this.client.GET('/api/queue/v1/task/{taskId}/runs/{runId}/artifacts', { params });
      if (await isForbidden(call)) return undefined;
      const data = await answerOf(call);
      found.push(...data.artifacts);
      continuationToken = data.continuationToken;
    } while (continuationToken !== undefined);
    const leads = ({ storageType, name }: Artifact) => storageType !== 'error' && !RECEIPTS.some((one) => one === name);
    return found.filter(leads).map(({ name }) => name);
  }

  get #path() {
    return { taskId: this.taskId, runId: String(this.runId) };
  }

  private async download(name: string): Promise<Download> {
    const params = { path: { ...this.#path, name } };
    const call = this.client.GET('/api/queue/v1/task/{taskId}/runs/{runId}/artifacts/{name}', { params, redirect: 'manual' });
    const { response } = await call.catch(() => {
      throw new NotThere('cannot be asked for');
    });
    const url = response.headers.get('location');
    if (response.status === 303 && url !== null) return { url };
    const why = { 403: 'may not be read by who asks', 404: 'is not there', 410: 'has expired', 424: 'could not be uploaded' };
    throw new NotThere((why as Record<number, string>)[response.status] ?? `cannot be read (${response.status})`);
  }
}

async function isForbidden(call: Promise<{ response: Response }>): Promise<boolean> {
  return call.then(
    ({ response }) => response.status === 403,
    () => false,
  );
}

/** As whom the environment names, and as anybody where it names nobody. */
function readerOf(environment: Environment): Client {
  const { TASKCLUSTER_ROOT_URL: rootUrl, TASKCLUSTER_CLIENT_ID, TASKCLUSTER_ACCESS_TOKEN } = environment;
  if (TASKCLUSTER_CLIENT_ID || TASKCLUSTER_ACCESS_TOKEN || !rootUrl || !URL.canParse(rootUrl)) return clientOf(environment);
  return createLeaseholdClient({ rootUrl });
}

/** What a receipt's text says. Throws ReceiptError. */
export function parsedReceipt(json: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new ReceiptError('receipt-malformed', 'The receipt is malformed: it is not JSON');
  }
  // of two members of one name others may read the first; nothing that belongs there has white space or escapes in it
  if (json.replace(/\s+/g, '') === JSON.stringify(value).replace(/\s+/g, '')) return value;
  throw new ReceiptError('receipt-malformed', 'The receipt is malformed: it has a member twice, or escapes');
}
