import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { forward } from './forward.js';

const directory = mkdtempSync(path.join(tmpdir(), 'leasehold-forward-'));
const servers: Server[] = [];
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});
afterAll(() => rmSync(directory, { recursive: true }));

let count = 0;

/** All that comes, up to the end. Unlike an iterator over it, that leaves the connection open. */
const text = (socket: Socket) =>
  new Promise<string>((resolve) => {
    let all = '';
    socket
      .on('data', (piece) => (all += piece))
      .once('end', () => resolve(all))
      .once('close', () => resolve(all));
  });

/** The port that leads to a socket where each connection is served by that. */
async function forwarding(serve: (socket: Socket) => void, connections = 10): Promise<number> {
  const socketPath = path.join(directory, String(++count));
  const behind = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on('error', () => undefined));
    serve(socket);
  });
  await once(behind.listen(socketPath), 'listening');
  const [server] = await forward({ addresses: [{ host: '127.0.0.1', port: 0 }], socketPath, connections });
  servers.push(behind, server!);
  return (server!.address() as AddressInfo).port;
}

function dial(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  sockets.add(socket.on('error', () => undefined));
  return socket;
}

it('passes bytes on as they are, both ways, and the end of each', async () => {
  const port = await forwarding(async (socket) => void socket.end(`heard ${await text(socket)}`));
  const socket = dial(port);
  socket.end('\0 all of it');
  expect(await text(socket)).toBe('heard \0 all of it');
});

it('passes on what is said after the other end has said all', async () => {
  let heard: (later: string) => void = () => undefined;
  const told = new Promise<string>((resolve) => (heard = resolve));
  const port = await forwarding((socket) => void socket.end('first').on('data', (later) => heard(String(later))));
  const socket = dial(port);
  expect(await text(socket)).toBe('first');
  socket.end('and then');
  expect(await told).toBe('and then');
});

it('hangs up where the other end does, whichever that is', async () => {
  let behind: Socket | undefined;
  const port = await forwarding((socket) => {
    behind = socket.resume();
    socket.write('up');
  });
  const first = dial(port);
  await once(first, 'data');
  const over = once(behind!, 'end');
  first.resetAndDestroy();
  await over;
  const second = dial(port);
  await once(second, 'data');
  const ended = once(second.resume(), 'end');
  behind!.destroy();
  await ended;
  second.end();
});

it('hangs up on one more than it may have, and takes others once there is room', async () => {
  const port = await forwarding(
    (socket) =>
      void socket
        .resume()
        .once('end', () => socket.end())
        .write('up'),
    2,
  );
  const open = [dial(port), dial(port)];
  await Promise.all(open.map((socket) => once(socket, 'data')));
  expect(await text(dial(port))).toBe('');
  open[0]!.destroy();
  for (let tries = 0, took = ''; took !== 'up'; tries++) {
    if (tries > 100) throw new Error('it takes none');
    const next = dial(port);
    took = await Promise.race([once(next, 'data').then(String), once(next, 'end').then(() => '')]);
    if (took !== 'up') await new Promise(setImmediate);
  }
});

it('reads no more than the other end takes', async () => {
  const port = await forwarding(() => undefined); // which reads nothing
  const socket = dial(port);
  const most = 64 * 1024 * 1024;
  const chunk = Buffer.alloc(256 * 1024);
  let written = 0;
  for (let isTaken = true; isTaken && written < most; written += chunk.length)
    isTaken = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), 500);
      socket.write(chunk, () => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  expect(written).toBeLessThan(most);
});

it('rejects where it cannot listen', async () => {
  const port = await forwarding(() => undefined);
  const taken = forward({ addresses: [{ host: '127.0.0.1', port }], socketPath: '/not/there', connections: 1 });
  await expect(taken).rejects.toThrow('EADDRINUSE');
});

it('hangs up where nobody is behind it', async () => {
  const [server] = await forward({ addresses: [{ host: '127.0.0.1', port: 0 }], socketPath: path.join(directory, 'gone'), connections: 1 });
  servers.push(server!);
  expect(await text(dial((server!.address() as AddressInfo).port))).toBe('');
});
