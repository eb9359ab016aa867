import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { boundConnections } from '../src/service/http/connections.js';
import { eventually } from './support/service-process.js';

/** Who holds a connection, and for how long. */

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

async function dial(server: Server): Promise<Socket> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  sockets.push(socket.on('error', () => undefined));
  await once(socket, 'connect');
  return socket;
}

async function isServed(socket: Socket): Promise<boolean> {
  const ended = once(socket.resume(), 'close').then(() => false);
  const answered = new Promise<boolean>((resolve) => socket.once('data', () => resolve(true)));
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  return Promise.race([answered, ended]);
}

it('who comes beyond the bound is hung up on at once, and places that are free again are given away', async () => {
  const server = createServer((_, answer) => answer.end('x'));
  boundConnections(server, 2);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const [first, second] = [await dial(server), await dial(server)];
  expect([await isServed(first), await isServed(second)]).toEqual([true, true]);
  expect(await isServed(await dial(server))).toBe(false);
  expect(await isServed(first)).toBe(true); // they are left alone
  second.destroy();
  await eventually('its place is free', async () => isServed(await dial(server)));
  expect(await isServed(await dial(server))).toBe(false);
  server.closeAllConnections();
  await once(server.close(), 'close');
});
