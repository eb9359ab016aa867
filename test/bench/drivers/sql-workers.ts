import pg from 'pg';

/** One connection for each worker, as many as there are; every statement is named, so that Postgres keeps its plan. */
export class SqlWorkers {
  private constructor(private readonly clients: readonly pg.Client[]) {}

  static async connect(url: string, workers: number): Promise<SqlWorkers> {
    const clients = Array.from({ length: workers }, () => new pg.Client({ connectionString: url, application_name: 'leasehold-bench' }));
    await Promise.all(clients.map((client) => client.connect()));
    return new SqlWorkers(clients);
  }

  /** On each connection. */
  async everywhere(text: string): Promise<void> {
    await Promise.all(this.clients.map((client) => client.query(text)));
  }

  async query<Row>(worker: number, { name, text }: { name: string; text: string; row?: Row }, values: unknown[]): Promise<Row[]> {
    const { rows } = await this.clients[worker]!.query({ name, text, values });
    return rows as Row[];
  }

  async close(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.end()));
  }
}
