import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { PeerProcess } from './peer-process.js';
import { freePort } from './service-process.js';

const PROGRAM = '/usr/sbin/haproxy';
const EXAMPLE = 'docs/examples/haproxy.cfg';

export interface Settings {
  ISSUER: string;
  AUDIENCE: string;
  /** `host:port` */
  BACKEND: string;
}

/** An HAProxy of our own, on the loopback interface, by docs/examples/haproxy.cfg. The keys are in the directory already. */
export class HaProxy {
  static readonly isInstalled = existsSync(PROGRAM);

  private constructor(
    private readonly directory: string,
    private readonly process: PeerProcess,
    readonly urls: { untilExp: string; whileRunning: string },
  ) {}

  static async start(directory: string, settings: Settings): Promise<HaProxy> {
    const ports = [await freePort(), await freePort()];
    const [untilExp, whileRunning] = ports.map((port) => `127.0.0.1:${port}`) as [string, string];
    for (const name of ['lists.map', 'ended.map']) writeFileSync(path.join(directory, name), '');
    const config = path.join(directory, 'haproxy.cfg'); // where whoever it runs as may read it
    copyFileSync(EXAMPLE, config);
    const env = { ...settings, DIRECTORY: directory, UNTIL_EXP: untilExp, WHILE_RUNNING: whileRunning };
    const process = await PeerProcess.start([PROGRAM, '-db', '-f', config], { env, ports });
    return new HaProxy(directory, process, { untilExp: `http://${untilExp}`, whileRunning: `http://${whileRunning}` });
  }

  /** Of its runtime API. */
  command(text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      let answer = '';
      const socket = connect(path.join(this.directory, 'haproxy.sock'), () => socket.write(`${text}\n`));
      socket.setEncoding('utf8').on('data', (piece: string) => (answer += piece));
      socket.on('end', () => resolve(answer)).on('error', reject);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.process[Symbol.asyncDispose]();
  }
}
