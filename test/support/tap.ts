import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

interface Hold {
  asked: RegExp;
  until: Promise<void>;
}

/** Stands on a wire, passes every byte on, and remembers all of them: what was said there, secrets and all. It can be told to wait with answers. */
export class Tap {
  /** Both directions, in latin1; each connection's by itself. */
  private readonly lines: { asked: string; answered: string; isOpen: boolean }[] = [];
  private readonly sockets = new Set<Socket>();
  private hold: Hold | undefined;

  private constructor(
    private readonly server: Server,
    private readonly to: { host: string; port: number },
  ) {}

  /** @param origin `http://127.0.0.1:<port>` */
  static async before(origin: string): Promise<Tap> {
    const { hostname, port } = new URL(origin);
    const server = createServer((socket) => tap.join(socket));
    const tap = new Tap(server, { host: hostname, port: Number(port) });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return tap;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get asked(): string {
    return this.lines.map(({ asked }) => asked).join('\n');
  }

  get answered(): string {
    return this.lines.map(({ answered }) => answered).join('\n');
  }

  /** Connections on which this was asked, and whether they are still open. */
  asking(what: RegExp): boolean[] {
    return this.lines.filter(({ asked }) => what.test(asked)).map(({ isOpen }) => isOpen);
  }

  /** From now on who asks so is not answered before what is returned is called. */
  holdBack(asked: RegExp): () => void {
    let release = () => {};
    const until = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.hold = { asked, until };
    return () => {
      this.hold = undefined;
      release();
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await once(this.server.close(), 'close');
  }

  private join(near: Socket): void {
    const far = connect(this.to);
    const line = { asked: '', answered: '', isOpen: true };
    this.lines.push(line);
    for (const socket of [near, far]) this.sockets.add(socket.on('error', () => undefined));
    near.on('close', () => {
      line.isOpen = false;
      far.destroy();
    });
    let passed = Promise.resolve();
    near.on('data', (bytes) => {
      line.asked += bytes.toString('latin1');
      far.write(bytes);
    });
    far.on('data', (bytes) => {
      line.answered += bytes.toString('latin1');
      const { hold } = this;
      if (hold?.asked.test(line.asked)) passed = passed.then(() => hold.until);
      passed = passed.then(() => void near.write(bytes));
    });
    far.on('close', () => {
      passed = passed.then(() => void near.end()); // and not before what is held back
    });
  }
}
