/** Held by whoever finds something out for others, too. Exactly one of the three is called; after that, none has any effect. */
export interface Lead {
  /** It is known: all that wait go on, in the order in which they came. */
  open(): void;
  /** It could not be found out: all that wait fail in the same way. Who comes later begins anew. */
  fail(error: Error): void;
  /** Broken off: the one that waits longest leads. */
  handOver(): void;
}

interface Waiting {
  goOn(lead?: Lead): void;
  fail(error: Error): void;
}

/** One goes first for each key; the others wait for what it finds. */
export class Gates {
  /** A key is in it as long as somebody leads. */
  readonly #waiting = new Map<string, Waiting[]>();
  #over?: Error;

  /**
   * Resolves with the lead, or, after having waited, with nothing: what is to be found out is known then. Rejects with the signal's
   * reason.
   */
  async enter(key: string, signal?: AbortSignal): Promise<Lead | undefined> {
    if (this.#over) throw this.#over;
    signal?.throwIfAborted();
    const waiting = this.#waiting.get(key);
    if (waiting) return this.#waited(waiting, signal);
    this.#waiting.set(key, []);
    return this.#leadOf(key);
  }

  /** All that wait fail, and all that come later. */
  failAll(error: Error): void {
    this.#over = error;
    for (const waiting of this.#waiting.values()) for (const one of waiting.splice(0)) one.fail(error);
    this.#waiting.clear();
  }

  /** Who is broken off in the moment in which it is given the lead hands it on. */
  async #waited(waiting: Waiting[], signal?: AbortSignal): Promise<Lead | undefined> {
    const lead = await this.#wait(waiting, signal);
    if (!signal?.aborted) return lead;
    lead?.handOver();
    throw signal.reason;
  }

  #wait(waiting: Waiting[], signal?: AbortSignal): Promise<Lead | undefined> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        waiting.splice(waiting.indexOf(one), 1);
        reject(signal?.reason);
      };
      const stay = () => signal?.removeEventListener('abort', leave);
      const one: Waiting = {
        goOn: (lead) => {
          stay();
          resolve(lead);
        },
        fail: (error) => {
          stay();
          reject(error);
        },
      };
      waiting.push(one);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }

  #leadOf(key: string): Lead {
    const mine = this.#waiting.get(key);
    let over = false;
    const once = (end: (waiting: Waiting[]) => void) => {
      // after failAll the key may be somebody else's
      if (over || !mine || this.#waiting.get(key) !== mine) return;
      over = true;
      end(mine);
    };
    const all = (tell: (one: Waiting) => void) =>
      once((waiting) => {
        this.#waiting.delete(key);
        for (const one of waiting.splice(0)) tell(one);
      });
    return {
      open: () => all((one) => one.goOn()),
      fail: (error) => all((one) => one.fail(error)),
      handOver: () =>
        once((waiting) => {
          const next = waiting.shift();
          if (next) next.goOn(this.#leadOf(key));
          else this.#waiting.delete(key);
        }),
    };
  }
}
