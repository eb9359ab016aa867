import net from 'node:net';

/** A line to Postgres on which answers come late: what was read is old when it arrives. */
export interface SlowLine {
  /** Of the database, over this line. */
  url: string;
  /** Milliseconds that answers take from now on. */
  delay: number;
  /** How often the statement was asked over the line, and at most how often at once. */
  readonly asked: number;
  readonly atOnce: number;
  close(): void;
}

/** Counts a statement by its name, which the client sends with each execution. */
export async function slowLine(databaseUrl: string, statement: string): Promise<SlowLine> {
  const to = new URL(databaseUrl);
  const directory = to.searchParams.get('host');
  const port = Number(to.searchParams.get('port') ?? (to.port || 5432));
  const sockets = new Set<net.Socket>();
  const under = new Set<net.Socket>();
  const counts = { asked: 0, atOnce: 0 };

  const server = net.createServer((client) => {
    const upstream = directory ? net.connect(`${directory}/.s.PGSQL.${port}`) : net.connect(port, to.hostname);
    client.on('data', (sent) => {
      if (sent.includes(statement)) {
        under.add(client);
        counts.asked++;
        counts.atOnce = Math.max(counts.atOnce, under.size);
      }
      upstream.write(sent);
    });
    upstream.on('data', (answer) => {
      const pass = () => {
        under.delete(client);
        if (client.writable) client.write(answer);
      };
      setTimeout(pass, line.delay);
    });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => [client, upstream].map((end) => end.destroy()));
    }
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));

  const through = new URL(databaseUrl);
  through.hostname = '127.0.0.1';
  through.port = String((server.address() as net.AddressInfo).port);
  for (const name of ['host', 'port']) through.searchParams.delete(name);
  const line: SlowLine = {
    url: through.href,
    delay: 0,
    get asked() {
      return counts.asked;
    },
    get atOnce() {
      return counts.atOnce;
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  return line;
}
