import { Sightings } from '../../src/service/fleet/sightings.js';
import type { ErrorCode } from '../../src/service/http/api-error.js';
import type { Answer, Api, RequestOptions } from '../support/api.js';
import { type DocumentedRoute, promisesOf } from '../support/contract.js';
import type { Call, Change } from './operation.js';
import type { World } from './world.js';

/** The way to one operation. Every answer is held against openapi.yaml, and remembered as seen. */
export class Line {
  readonly seen = new Set<string>();
  private readonly promised: Set<string>;
  /** Of an answer that never ends, only the head is asked for. */
  private readonly endless: boolean;

  constructor(readonly route: DocumentedRoute) {
    this.promised = new Set(promisesOf(route));
    this.endless = route.operation.responses[200]?.content?.['text/event-stream'] !== undefined;
  }

  async send(api: Api, { params = {}, query = {}, body, headers = {}, as }: Call, options: RequestOptions = {}): Promise<Answer> {
    const caller = as === undefined ? api : api.as(as ?? undefined);
    const path = this.route.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(given(params, name)));
    const search = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : `${name}=${encodeURIComponent(value)}`));
    const url = search.length > 0 ? `${path}?${search.join('&')}` : path;
    const send = (method: string) => caller.request(method as 'get', url, { body, headers, ...options });
    const head = this.endless ? await send('head') : undefined;
    const answer = head?.status === 200 ? head : await send(this.route.method);
    this.remember(answer);
    return answer;
  }

  async succeed(api: Api, call: Call): Promise<Answer> {
    const answer = await this.send(api, call);
    if (answer.status >= 400) throw new Error(`answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer;
  }

  /** The message, without its trailer; fails unless the answer has this code, or this status and none. */
  async refuse(api: Api, call: Call, code: ErrorCode | number, options?: RequestOptions): Promise<string> {
    const { status, body, headers } = await this.send(api, call, options);
    expect({ code: body.code ?? status, message: body.message }).toEqual({ code, message: expect.any(String) });
    if (status === 401) expect(headers['www-authenticate']).toMatch(/^hawk, Bearer.*, DPoP .*algs=/);
    return body.message.split('\n\n---\n')[0];
  }

  private remember({ status, body }: Answer): void {
    const answered = body?.code === undefined || status < 400 ? String(status) : `${status} ${body.code}`;
    if (!this.promised.has(answered)) {
      throw new Error(`${this.route.operation.operationId} answered ${answered}; openapi.yaml promises ${[...this.promised].join(', ')}`);
    }
    this.seen.add(answered);
  }
}

function given(params: Record<string, string>, name: string): string {
  if (params[name] === undefined) throw new Error(`the call gives no URL parameter ${name}`);
  return params[name];
}

export async function changed<T extends Call>(call: T, change: Change<T>, world: World): Promise<Call> {
  const { params, query, body, headers, ...rest } = typeof change === 'function' ? await change(call, world) : change;
  return {
    ...call,
    ...rest,
    params: { ...call.params, ...params },
    query: { ...call.query, ...query },
    headers: { ...call.headers, ...headers },
    ...(body ? { body: Buffer.isBuffer(body) ? body : { ...call.body, ...body } } : {}),
  };
}

/** A row that is written anew has another xmin, and is cheaper to ask for that than for all it holds. */
const WRITTEN = 'xmin::text::bigint';
/** When a client was last used is none of a refusal's business. */
const OF_CLIENTS = `hashtext((to_jsonb(t) - 'last_used')::text)`;
/** A refusal is told by an entry of the audit log, some time later, and sealed like all others. */
const BUT_REFUSALS = `kind not in ('authentication-refused', 'authorization-refused', 'refusals-omitted')`;
/** Nor is which of its scopes a run used: who is refused for another reason has used them. */
const TABLES = `select table_name as name from information_schema.tables
                 where table_schema = 'public' and table_type = 'BASE TABLE' and table_name not in ('audit_block', 'audit_mark', 'scope_use') order by 1`;
let sums = '';

/** Fails unless every row of the database is as it was before. */
export async function unchanged(world: World, work: () => Promise<unknown>): Promise<void> {
  const before = await rowsOf(world);
  await work();
  expect(await rowsOf(world)).toEqual(before);
}

/** How many rows each table has, and a sum that changes with every row. */
async function rowsOf({ test }: World): Promise<Record<string, string>> {
  const { pool } = test.database;
  await test.service.app.get(Sightings).flush();
  if (!sums) {
    const sumOf = ({ name }: { name: string }) =>
      `(select count(*) || ' ' || coalesce(sum(${name === 'client' ? OF_CLIENTS : WRITTEN}), 0)
          from ${name} t where ${name === 'audit_entry' ? BUT_REFUSALS : true}) as ${name}`;
    sums = (await pool.query(TABLES)).rows.map(sumOf).join(', ');
  }
  return (await pool.query(`select ${sums}`)).rows[0];
}
