import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { PeerProcess } from './peer-process.js';
import { freePort } from './service-process.js';

const PROGRAM = '/usr/sbin/apache2';
const MODULES = '/usr/lib/apache2/modules';
const EXAMPLE = 'docs/examples/apache.conf';

export interface Settings {
  ISSUER: string;
  AUDIENCE: string;
  /** `http://host:port` */
  BACKEND: string;
  CA_FILE: string;
  CLIENT_ID: string;
  ACCESS_TOKEN: string;
}

/** An httpd of our own, on the loopback interface, that has docs/examples/apache.conf for its virtual hosts. */
export class Apache {
  static readonly isInstalled = existsSync(PROGRAM) && existsSync(`${MODULES}/mod_auth_openidc.so`);

  private constructor(
    private readonly process: PeerProcess,
    readonly urls: { byKeys: string; byIntrospection: string },
  ) {}

  static async start(directory: string, settings: Settings): Promise<Apache> {
    const ports = [await freePort(), await freePort()];
    const [byKeys, byIntrospection] = ports.map((port) => `127.0.0.1:${port}`) as [string, string];
    const file = (name: string) => path.join(directory, name);
    const modules = ['mpm_event', 'authn_core', 'authz_core', 'auth_openidc', 'headers', 'proxy', 'proxy_http'];
    const lines = [
      `ServerRoot "${directory}"`,
      'ServerName 127.0.0.1',
      `DefaultRuntimeDir "${directory}"`,
      `PidFile "${file('httpd.pid')}"`,
      `ErrorLog "${file('httpd.log')}"`,
      ...modules.map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`),
      ...['StartServers 1', 'ServerLimit 1', 'ThreadsPerChild 8', 'MaxRequestWorkers 8', 'MinSpareThreads 1', 'MaxSpareThreads 8'],
      // A cache that would keep answers of introspection if it were let: the one in shared memory has no room for the length of our tokens.
      ...['OIDCCacheType file', `OIDCCacheDir "${directory}"`, 'OIDCCryptoPassphrase of-a-test'],
      `Listen ${byKeys}`,
      `Listen ${byIntrospection}`,
      readFileSync(EXAMPLE, 'utf8'),
    ];
    writeFileSync(file('httpd.conf'), `${lines.join('\n')}\n`);
    const env = { ...settings, BY_KEYS: byKeys, BY_INTROSPECTION: byIntrospection };
    const process = await PeerProcess.start([PROGRAM, '-D', 'FOREGROUND', '-f', file('httpd.conf')], { env, ports });
    return new Apache(process, { byKeys: `http://${byKeys}`, byIntrospection: `http://${byIntrospection}` });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.process[Symbol.asyncDispose]();
  }
}
