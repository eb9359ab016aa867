import type { Gateway } from './gateway.js';
import { type Login, NaiveClient, type NaiveKey } from './naive-client.js';
import type { Send } from './registry-client.js';
import { type RunProxyOptions, throughProxy } from './through-proxy.js';

/** What a copy is made with. */
export interface Run {
  gateway: Gateway;
  login: Login;
  realm: string;
  service: string;
  /** What this gateway puts before the names of repositories, of which the token server knows nothing; or ''. */
  prefix: string;
}

export interface Connected {
  send: Send;
  close(): Promise<void>;
}

interface Strategy {
  connect(run: Run, concurrency: number): Connected | Promise<Connected>;
  /** undefined: it is here to be compared with. */
  most(gateway: string): { unauthorized: number; tokenRequests: number } | undefined;
}

/**
 * Repositories and what is done there, as a copy needs them: the source is read, of the destination it is asked what is there, and it is
 * written. Each is a key, and needs a token of its own.
 */
const KEYS = 3;
/** Reads and writes are one key of a repository. */
const WIDENED_KEYS = 2;

export const STRATEGIES = {
  'naive: no cache': naive('none'),
  'naive: one token by host': naive('host'),
  'naive: tokens by repository': naive('repository'),
  'proxy: realm unknown': proxied({}, (gateway) => unknownRealm(gateway, KEYS)),
  'proxy: realm configured': proxied({ realm: true }, () => ({ unauthorized: 0, tokenRequests: KEYS })),
  'proxy: widen': proxied({ widen: true }, (gateway) => unknownRealm(gateway, WIDENED_KEYS)),
  'proxy: widen, realm configured': proxied({ realm: true, widen: true }, () => ({ unauthorized: 0, tokenRequests: WIDENED_KEYS })),
} satisfies Record<string, Strategy>;
export type StrategyName = keyof typeof STRATEGIES;

/** One 401 tells the realm. Where a gateway calls repositories otherwise, each key is told its name by a 401 of its own. */
function unknownRealm(gateway: string, keys: number): { unauthorized: number; tokenRequests: number } {
  return { unauthorized: gateway === 'like Artifactory' ? keys : 1, tokenRequests: keys };
}

function naive(key: NaiveKey): Strategy {
  return {
    connect({ gateway, login }, concurrency) {
      const client = new NaiveClient({ host: gateway.host }, concurrency, key, login);
      return { send: client.send, close: async () => client[Symbol.dispose]() };
    },
    most: () => undefined,
  };
}

function proxied(options: RunProxyOptions, most: Strategy['most']): Strategy {
  return { connect: (run, concurrency) => throughProxy(run, options, concurrency), most };
}
