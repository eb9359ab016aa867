import { closeSync } from 'node:fs';
import type { WantedArtifact } from '../payload/payload.js';
import { isOfTheWorker } from '../payload/workers-artifacts.js';
import { ArtifactError, type ArtifactErrorCode, UnfitFile, type UnfitReason } from './artifact-error.js';
import { contentTypeOf } from './content-type.js';
import { openBeneath, shown } from './open-beneath.js';
import type { RunArtifacts } from './run-artifacts.js';
import { type WalkLimits, walkBeneath } from './walk-beneath.js';

/** Uploads at once. */
const CONCURRENCY = 4;
const LIMITS: WalkLimits = { entries: 10_000, bytes: 5 * 1024 ** 3 };

/** As the queue has it. */
const ARTIFACT_NAME = /^[\x20-\x7e]{1,1024}$/;

export interface CollectedArtifact {
  name: string;
  /** In hex. */
  sha256: string;
  bytes: number;
}

export interface MissingArtifact {
  /** Of a file in a directory: where it is, as it may be shown. */
  name: string;
  reason: UnfitReason | Exclude<ArtifactErrorCode, 'unavailable'>;
  message: string;
}

export interface Collection {
  /** In the order of their names. */
  artifacts: readonly CollectedArtifact[];
  /** What the task wanted kept and is not, but for what is optional and not there. The task has failed if there is any. */
  missing: readonly MissingArtifact[];
}

/**
 * Uploads what the task wants kept of its workspace, once nothing of it runs any more. What is in there is whatever the task put there: it
 * may fail the task, not this function. What cannot be kept is told, and in its place is an error where its name allows. Links and special
 * files in a directory are left out, and only logged. Throws ArtifactError (`unavailable`) where the queue cannot be reached for long.
 */
export async function collectArtifacts(
  wanted: readonly WantedArtifact[],
  workspace: string,
  put: RunArtifacts,
  log: (line: string) => void,
  limits: WalkLimits = LIMITS,
): Promise<Collection> {
  const collecting = new Collecting(workspace, put, log);
  await collecting.all(wanted, limits);
  return collecting.result();
}

class Collecting {
  readonly #artifacts = new Map<string, CollectedArtifact>();
  readonly #missing: MissingArtifact[] = [];
  readonly #taken = new Set<string>();

  constructor(
    private readonly workspace: string,
    private readonly put: RunArtifacts,
    private readonly log: (line: string) => void,
  ) {}

  result(): Collection {
    const byName = (one: { name: string }, other: { name: string }) => (one.name < other.name ? -1 : 1);
    return { artifacts: [...this.#artifacts.values()].sort(byName), missing: this.#missing.sort(byName) };
  }

  async all(wanted: readonly WantedArtifact[], limits: WalkLimits): Promise<void> {
    const files: WantedArtifact[] = [];
    for (const one of wanted) {
      if (one.type === 'file') files.push(one);
      else await this.#told(one, async () => void files.push(...this.#filesOf(one, limits)));
    }
    const workers = Array.from({ length: CONCURRENCY }, async () => {
      for (let next = files.shift(); next; next = files.shift()) await this.#collect(next).catch((error) => this.#stop(files, error));
    });
    const failed = (await Promise.allSettled(workers)).find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  }

  /** Whoever cannot reach the queue need not try with each of ten thousand files. */
  #stop(files: WantedArtifact[], error: unknown): never {
    files.length = 0;
    throw error;
  }

  #filesOf(directory: WantedArtifact, limits: WalkLimits): WantedArtifact[] {
    const { files, skipped, cut } = walkBeneath(this.workspace, directory.path, limits);
    for (const line of skipped) this.log(`Artifact ${directory.name}: ${line}, and is left out`);
    if (cut !== undefined) throw new UnfitFile('too-large-file-on-worker', cut);
    return files.map((file) => ({ ...directory, type: 'file', name: `${directory.name}/${file}`, path: `${directory.path}/${file}` }));
  }

  async #collect(wanted: WantedArtifact): Promise<void> {
    const { name } = wanted;
    if (!ARTIFACT_NAME.test(name)) {
      const message = 'its name is no name of an artifact, which has 1 to 1024 printable ASCII characters';
      return this.#miss({ name: shown(name), reason: 'invalid-resource-on-worker', message });
    }
    if (isOfTheWorker(name))
      return this.#miss({ name, reason: 'conflict', message: "its name is that of the worker's log, record or receipt" });
    if (this.#taken.has(name)) return this.#miss({ name, reason: 'conflict', message: 'two files would have this name' });
    this.#taken.add(name);
    await this.#told(wanted, () => this.#upload(wanted));
  }

  async #upload({ name, path, contentType = contentTypeOf(path), expires }: WantedArtifact): Promise<void> {
    const file = openBeneath(this.workspace, path);
    try {
      const uploaded = await this.put.putFile(name, { file, contentType, ...(expires === undefined ? {} : { expires }) });
      this.#artifacts.set(name, { name, ...uploaded });
    } finally {
      closeSync(file);
    }
  }

  async #told({ name, optional }: WantedArtifact, attempt: () => Promise<void>): Promise<void> {
    try {
      await attempt();
    } catch (error) {
      if (error instanceof UnfitFile) await this.#unfit(name, optional, error);
      else if (error instanceof ArtifactError && error.code !== 'unavailable')
        this.#miss({ name, reason: error.code, message: error.message });
      else throw error;
    }
  }

  async #unfit(name: string, optional: boolean, { reason, message }: UnfitFile): Promise<void> {
    if (optional && reason === 'file-missing-on-worker') return this.log(`Artifact ${name}: ${message}, and is optional`);
    this.#miss({ name, reason, message });
    await this.put.putError(name, reason, message).catch((error) => this.log(`Artifact ${name}: no error could be left: ${error.message}`));
  }

  #miss(missing: MissingArtifact): void {
    this.#missing.push(missing);
    this.log(`Artifact ${missing.name} is missing (${missing.reason}): ${missing.message}`);
  }
}
