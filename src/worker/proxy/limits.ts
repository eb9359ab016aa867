/** What the steps of one run may ask of its proxy. All are for one run: who has used up its own has taken nothing from another. */
export interface ProxyLimits {
  /** Requests that are passed on at once; others wait in order. */
  requests: number;
  /** Connections at once, and requests that wait: who opens or sends more is hung up on. */
  connections: number;
  /**
   * Requests with a body that wait. Each is held in the pieces in which it came, and single bytes take hundreds of times their length: 4 MB
   * for what Node reads ahead, before anybody has asked for it.
   */
  waitingBodies: number;
  /** Bytes of a request's line and headers. */
  headerBytes: number;
  /** Bytes of a request's body. It is never held here, whatever its size. */
  bodyBytes: number;
  /** Milliseconds from a request's headers to the end of its answer, the wait included. */
  requestMs: number;
  /** Milliseconds in which nothing moves. The service's event streams say something every 15 s. */
  idleMs: number;
  /** Tunnels at once: another is refused. Each has two sockets, and at most some 100 KiB on their way. How many bytes go through is not bounded. */
  tunnels: number;
  /** Milliseconds in which a tunnel's other end must be connected. */
  dialMs: number;
  /** Milliseconds in which nothing moves in a tunnel. */
  tunnelIdleMs: number;
}

export const PROXY_LIMITS: ProxyLimits = {
  requests: 32,
  connections: 256,
  waitingBodies: 16,
  headerBytes: 16 * 1024,
  bodyBytes: 1024 ** 3,
  requestMs: 3_600_000,
  idleMs: 120_000,
  tunnels: 128,
  dialMs: 30_000,
  tunnelIdleMs: 300_000,
};
