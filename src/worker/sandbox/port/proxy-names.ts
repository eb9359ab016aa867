import { isIP } from 'node:net';

/** By this name every step that asks for it finds the proxy of its run. */
export const PROXY_NAME = 'taskcluster';

const HTTP = 80;
const NAME = /^(?<host>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::(?<port>[1-9][0-9]{0,4}))?$/;
/** What each sandbox calls itself. */
const OWN = ['localhost', 'step', PROXY_NAME];

export interface Address {
  host: string;
  port: number;
}

/** `host` or `host:port`, as programs write it. Throws TypeError for anything else: a line feed in it would be one more line of /etc/hosts. */
function parsed(name: string): { host: string; port: number } {
  const { host, port = HTTP } = NAME.exec(name)?.groups ?? {};
  const bare = host?.replace(/^\[|\]$/g, '').toLowerCase() ?? '';
  if (bare === '' || (bare !== host?.toLowerCase() && isIP(bare) !== 6) || Number(port) > 65_535)
    throw new TypeError(`${JSON.stringify(name)} is no name that a step could call by`);
  return { host: bare, port: Number(port) };
}

/** Without ports, each once. */
export const hostsOf = (names: readonly string[]): string[] => [...new Set(names.map((name) => parsed(name).host))];

/** All of the loopback interface, each once. What is named by an address elsewhere cannot be there, and is left to the socket. */
export function listeningAddresses(names: readonly string[]): Address[] {
  const wanted = [PROXY_NAME, ...names].map(parsed).flatMap(({ host, port }) => addressesOf(host, port));
  return [...new Map(wanted.map((address) => [`${address.host} ${address.port}`, address])).values()];
}

function addressesOf(host: string, port: number): Address[] {
  const own = isIP(host) === 0 ? '127.0.0.1' : host;
  return /^127\.|^::1$/.test(own) ? [...new Set([HTTP, port])].map((each) => ({ host: own, port: each })) : [];
}

/** Lines of /etc/hosts. An address is found without one. */
export function hostsLines(names: readonly string[]): string {
  const hosts = [PROXY_NAME, ...hostsOf(names).filter((host) => isIP(host) === 0 && !OWN.includes(host))];
  return hosts.map((host) => `127.0.0.1 ${host}\n`).join('');
}
