import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { PeerProcess } from './peer-process.js';
import { freePort } from './service-process.js';

const PROGRAM = '/usr/bin/docker-registry';

export interface TokenAuth {
  realm: string;
  service: string;
  issuer: string;
  /** PEM: certificates whose keys, or those they have signed, are believed. */
  certificates: string;
}

/** Debian's docker-registry on the loopback interface, with its data in a directory of the test's own. It reads its configuration once. */
export class DockerRegistry {
  static readonly isInstalled = existsSync(PROGRAM);

  private constructor(
    private readonly process: PeerProcess,
    /** `127.0.0.1:<port>` */
    readonly host: string,
  ) {}

  get origin(): string {
    return `http://${this.host}`;
  }

  /** Without `auth` everybody may do everything. */
  static async start(directory: string, { auth, port }: { auth?: TokenAuth; port?: number } = {}): Promise<DockerRegistry> {
    const listening = port ?? (await freePort());
    mkdirSync(path.join(directory, 'data'), { recursive: true });
    const bundle = path.join(directory, 'bundle.pem');
    if (auth) writeFileSync(bundle, auth.certificates);
    const config = path.join(directory, 'registry.json'); // JSON is YAML
    writeFileSync(config, JSON.stringify(configuration(directory, `127.0.0.1:${listening}`, auth && { ...auth, bundle })));
    const process = await PeerProcess.start([PROGRAM, 'serve', config], { env: {}, ports: [listening], owner: {} });
    return new DockerRegistry(process, `127.0.0.1:${listening}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.process[Symbol.asyncDispose]();
  }
}

function configuration(directory: string, addr: string, auth: (TokenAuth & { bundle: string }) | undefined): object {
  return {
    version: 0.1,
    log: { level: 'info', fields: { service: 'registry' } },
    storage: {
      cache: { blobdescriptor: 'inmemory' },
      filesystem: { rootdirectory: path.join(directory, 'data') },
      delete: { enabled: true },
    },
    http: { addr, relativeurls: true, secret: 'of-the-test-alone', headers: { 'X-Content-Type-Options': ['nosniff'] } },
    ...(auth && { auth: { token: { realm: auth.realm, service: auth.service, issuer: auth.issuer, rootcertbundle: auth.bundle } } }),
  };
}
