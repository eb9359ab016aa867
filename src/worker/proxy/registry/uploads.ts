import { type RequiredScopes, requiredScopes } from '../../../registry-tokens/registry-scope.js';
import { credentialFor } from '../../config/registries.js';
import { madeAt, uploadTarget } from './answered-urls.js';
import type { Exchange, Reply } from './exchange.js';
import { passBack } from './pass-back.js';
import { assertStays } from './redirects.js';
import { type Asking, ask } from './registry-asking.js';
import type { RegistryAuthority } from './registry-authority.js';
import { RegistryRefusal } from './registry-refusal.js';
import { streamed } from './request-body.js';
import { type Upload, UploadUrls } from './upload-urls.js';

const MOST_PROVEN = 1_000;

/** Uploads of blobs: opened, or mounted from where the blob is already; written piece by piece; committed. */
export class Uploads {
  readonly #urls = new UploadUrls();
  /** Where a plain upload was opened, so that its token is known to be good: nothing is streamed before. */
  readonly #proven = new Set<string>();

  constructor(
    private readonly exchange: Exchange,
    private readonly authority: RegistryAuthority,
  ) {}

  /** Whatever becomes of a mount, it costs no push: the blob is uploaded then. */
  async open(asking: Asking): Promise<void> {
    const { call, asked } = asking;
    call.request.resume(); // a blob that comes with it is not sent on: nothing has proven the token yet. Clients then send it to the upload
    const reply = (await this.#mounted(asking)) ?? (await this.#opened(asking));
    const place = { ...asked, origin: asking.registry.origin };
    await this.#passBack(asking, reply, (location) => {
      const { statusCode } = reply.answer;
      if (statusCode !== 202) return statusCode === 201 ? madeAt(location, place) : undefined;
      return `${plain(asking)}${this.#urls.open({ ...place, target: uploadTarget(location, place) })}`;
    });
  }

  /** @throws RegistryRefusal 404 for an upload that this run has not opened */
  async goOn(asking: Asking): Promise<void> {
    const { call, registry, asked } = asking;
    const upload = this.#urls.find(asked.reference, registry.origin, asked.repository);
    if (!upload) throw new RegistryRefusal(404, 'BLOB_UPLOAD_UNKNOWN', 'This run has opened no such upload; begin one by POST');
    const body = asked.method === 'PATCH' || asked.method === 'PUT' ? streamed(call) : undefined;
    const reply = await ask(this.exchange, asking, { target: withDigest(upload, asked.query.get('digest')), body });
    await this.#passBack(asking, reply, (location) => this.#moved(asking, upload, reply, location));
  }

  clear(): void {
    this.#urls.clear();
    this.#proven.clear();
  }

  #moved(asking: Asking, upload: Upload, { answer: { statusCode = 0 } }: Reply, location: string | undefined): string | undefined {
    const { reference, method } = asking.asked;
    const isOver = statusCode === 201 || statusCode === 404 || (method === 'DELETE' && statusCode < 300);
    if (isOver) this.#urls.close(reference);
    if (isOver) return statusCode === 201 ? madeAt(location, upload) : undefined;
    if (statusCode < 300 && location !== undefined) this.#urls.move(reference, uploadTarget(location, upload));
    return statusCode < 300 || location !== undefined ? `${plain(asking)}${reference}` : undefined; // never theirs: its state is in it
  }

  /** undefined: it was not, for whatever reason, and a plain upload is to be opened. */
  async #mounted(asking: Asking): Promise<Reply | undefined> {
    const { registry, asked } = asking;
    const digest = asked.query.get('mount');
    if (digest === null) return undefined;
    const from = asked.query.get('from');
    const target = `${plain(asking)}?${new URLSearchParams({ mount: digest, ...(from !== null && { from }) })}`;
    const required = requiredScopes({ method: 'POST', target });
    if (!required || !this.authority.allows(registry, required) || !isOneCredential(asking, required)) return undefined;
    const reply = await ask(this.exchange, asking, { asked: target, headers: {} }).catch(unlessRefused);
    const { statusCode } = reply?.answer ?? {};
    if (statusCode === 201 || (statusCode === 202 && this.#proven.has(keyOf(asking)))) return reply;
    reply?.answer.destroy(); // the token of a mount is for two repositories, and proves nothing for the one that an upload needs
    return undefined;
  }

  async #opened(asking: Asking): Promise<Reply> {
    const reply = await ask(this.exchange, asking, { asked: plain(asking), headers: {} });
    if (reply.answer.statusCode === 202 && this.#proven.size < MOST_PROVEN) this.#proven.add(keyOf(asking));
    return reply;
  }

  /** `where` says the place that the step is told, and throws for one that it must not go to. */
  async #passBack({ call, registry }: Asking, reply: Reply, where: (location: string | undefined) => string | undefined): Promise<void> {
    try {
      assertStays(reply.answer, registry);
      const location = where(reply.answer.headers.location);
      await passBack(call, reply, location === undefined ? {} : { location });
    } finally {
      reply.answer.destroy();
    }
  }
}

const plain = ({ asked }: Asking) => `/v2/${asked.repository}/blobs/uploads/`;
const keyOf = ({ registry, asked }: Asking) => `${registry.origin} ${asked.repository}`;

/** One token is for both repositories, so that who may write the one would be shown as who may read the other. */
const isOneCredential = ({ registry, asked }: Asking, { mountedFrom }: RequiredScopes) =>
  mountedFrom === undefined || credentialFor(registry, mountedFrom) === credentialFor(registry, asked.repository);

function withDigest({ target }: Upload, digest: string | null): string {
  return digest === null ? target : `${target}${target.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`;
}

function unlessRefused(error: unknown): undefined {
  if (!(error instanceof RegistryRefusal)) throw error;
}
