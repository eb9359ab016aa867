import type { Credential, RegistrySettings } from '../../src/registry-tokens/registry-settings.js';
import { RegistrySession, type RegistrySessionOptions } from '../../src/registry-tokens/session.js';
import { challenged, Loopback, type Received, type Reply, Tokens, wanted } from './token-registry.js';

export const BASIC = (name: string): Credential => ({ kind: 'basic', username: name, password: `canary-password-of-${name}` });
export const header = (name: string) => `Basic ${Buffer.from(`${name}:canary-password-of-${name}`).toString('base64')}`;

const opened: Loopback[] = [];
export async function closeAll(): Promise<void> {
  for (const one of opened.splice(0)) await one[Symbol.asyncDispose]();
}

export async function open(answer: (received: Received) => Reply | Promise<Reply>): Promise<Loopback> {
  const loopback = await Loopback.start(answer);
  opened.push(loopback);
  return loopback;
}

export interface World {
  registry: Loopback;
  tokens: Tokens;
  server: Loopback;
  settings: RegistrySettings;
}

export interface Ways {
  /** What a token server does otherwise. */
  grant?: (received: Received, tokens: Tokens) => Reply | undefined | Promise<Reply | undefined>;
  /** What the registry does otherwise; `realm` begins a challenge. */
  answer?: (received: Received, realm: string, tokens: Tokens) => Reply | undefined | Promise<Reply | undefined>;
  service?: string;
}

/** A registry, its token server elsewhere, and settings that trust that. */
export async function world({ grant, answer, service = 'registry.test' }: Ways = {}): Promise<World> {
  const tokens = new Tokens();
  const server = await open(async (received) => (await grant?.(received, tokens)) ?? tokens.reply(received));
  const realm = `Bearer realm="${server.origin}/token",service="${service}"`;
  const registry = await open(async (received) => (await answer?.(received, realm, tokens)) ?? compliant(received, realm, tokens));
  return { registry, tokens, server, settings: { origin: registry.origin, trustedRealms: [server.origin] } };
}

export function compliant(received: Received, realm: string, tokens: Tokens): Reply {
  if (received.target === '/v2/') return challenged(`${realm},scope="repository:user/image:pull"`);
  const { repository, actions } = wanted(received);
  const error = tokens.problem(received.authorization, repository, actions);
  if (error === undefined) return { status: 200 };
  return challenged(`${realm},scope="repository:${repository}:${actions.join()}"${error}`);
}

export function session(settings: RegistrySettings | RegistrySettings[], options: Partial<RegistrySessionOptions> = {}): RegistrySession {
  return new RegistrySession({ id: 'run', registries: [settings].flat(), ...options });
}

export const statuses = (outcomes: { status: number }[]) => outcomes.map(({ status }) => status);
export const refusals = (registry: Loopback, path = '/v2/') => registry.of(path).filter(({ authorization }) => !authorization).length;
export const scopesAsked = (server: Loopback) =>
  server.received.map(({ target }) => new URL(target, 'http://x').searchParams.getAll('scope'));
export const manifest = (repository: string) => `/v2/${repository}/manifests/latest`;
