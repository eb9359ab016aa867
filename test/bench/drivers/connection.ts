import { connect, type Socket } from 'node:net';

interface Call {
  what: string;
  resolve(body: string): void;
  reject(error: Error): void;
}

/**
 * As much of an HTTP/1.1 client as the load needs: one connection that stays open, one call at a time, answers of a known length. What
 * it spends it takes from the service on the same cores: undici needs twice as much.
 */
export class Connection {
  private socket: Socket | undefined;
  private received = '';
  private call: Call | undefined;
  private closed = false;
  private readonly host: string;

  constructor(private readonly url: URL) {
    this.host = `host: ${url.host}\r\n`;
  }

  /** The body of the answer; anything but a 200 is an error. `headers`: lines. */
  send(method: string, resource: string, headers: string, body = ''): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.closed) return reject(new Error('the connection is closed'));
      this.call = { what: `${method} ${resource}`, resolve, reject };
      const length = body ? `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` : 'content-length: 0\r\n';
      this.open().write(`${method} ${resource} HTTP/1.1\r\n${this.host}${headers}${length}\r\n${body}`);
    });
  }

  /** A call that is under way fails. */
  close(): void {
    this.closed = true;
    this.socket?.destroy();
  }

  private open(): Socket {
    if (this.socket) return this.socket;
    const socket = connect(Number(this.url.port), this.url.hostname);
    socket.setNoDelay(true);
    socket.setEncoding('latin1'); // a character is a byte, so lengths can be counted; what is read of it is ASCII
    socket.on('data', (part: string) => this.hear(part));
    socket.on('error', () => undefined); // 'close' follows
    socket.on('close', () => {
      this.socket = undefined;
      this.settle()?.reject(new Error('the service has hung up'));
    });
    this.socket = socket;
    return socket;
  }

  private hear(part: string): void {
    this.received = this.received ? this.received + part : part;
    const head = this.received.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.received.slice(0, head + 2))?.[1];
    if (length !== undefined && this.received.length < head + 4 + Number(length)) return;
    const [status, body] = [this.received.slice(9, 12), this.received.slice(head + 4)];
    const call = this.settle();
    if (status === '200' && length !== undefined) call?.resolve(body);
    else call?.reject(new Error(`${call.what}: ${status} ${body.slice(0, 300)}`));
  }

  private settle(): Call | undefined {
    const { call } = this;
    this.call = undefined;
    this.received = '';
    return call;
  }
}
