import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import { authorizationHeader } from '../src/credentials/hawk.js';
import { RUN_ID } from '../src/service/http/identifiers.js';
import { type Answer, type Api, definition, slugid } from './support/api.js';
import { assertContract, documentedRoutes, promisesOf } from './support/contract.js';
import { startTestService, type TestService } from './support/test-service.js';

let test: TestService;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0 });
});
afterAll(() => test.close());

const EXPAND = '/api/auth/v1/scopes/expand';
const TRAILER = (method: string, code: string, status: number) =>
  new RegExp(
    `\\n\\n---\\n\\n\\* method: {5}${method}\\n\\* errorCode: {2}${code}\\n\\* statusCode: ${status}\\n\\* time: {7}\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$`,
  );

const inADay = () => new Date(Date.now() + 86_400_000).toISOString();

function sign(method: string, resource: string): string {
  const { hostname, port } = new URL(test.root.url);
  const target = { method, resource, host: hostname, port: Number(port) };
  return authorizationHeader(test.root.credentials!, target, { nowMs: Date.now(), nonce: 'abcdef' });
}

interface Raw {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/** A signed request with just these headers and bytes, whatever a client library would think of them. */
function send(method: string, path: string, headers: Record<string, string> = {}, body?: string | Buffer): Promise<Raw> {
  return new Promise<Raw>((resolve, reject) => {
    const call = httpRequest(test.root.url, {
      method,
      path,
      headers: {
        authorization: sign(method, path),
        ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
        ...headers,
      },
    });
    call.on('response', async (response) => {
      let text = '';
      for await (const chunk of response.setEncoding('utf8')) text += chunk;
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
    });
    call.on('error', reject);
    call.end(body);
  }).then((answer) => {
    if (method !== 'OPTIONS') assertContract(method, path, { ...answer, body: jsonOf(answer) });
    return answer;
  });
}

function jsonOf({ headers, text }: Raw): unknown {
  return text !== '' && String(headers['content-type']).startsWith('application/json') ? JSON.parse(text) : undefined;
}

const JSON_TYPE = { 'content-type': 'application/json' };

/** Sends bytes over a socket and reads until the service closes it. */
function bytes(...parts: (string | Buffer)[]): Promise<string> {
  const { hostname, port } = new URL(test.root.url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', () => undefined); // the answer came before all of the request was read
    socket.on('close', () => resolve(answer));
    for (const part of parts) socket.write(part);
  });
}

function expectRefusal({ status, text }: Raw, expectedStatus: number, code: string): string {
  expect({ status, code: JSON.parse(text).code }).toEqual({ status: expectedStatus, code });
  return JSON.parse(text).message;
}

describe('a refusal', () => {
  it('has a code, a message with a trailer, and what was asked', async () => {
    const payload = { expires: 'never', description: '' };
    const { status, body, headers } = await test.root.put('/auth/v1/clients/some%2Fclient', payload);
    expect(status).toBe(400);
    expect(Object.keys(body)).toEqual(['code', 'message', 'requestInfo']);
    expect(body.code).toBe('InputValidationError');
    expect(body.message).toMatch(/^The body is not what this operation takes:\n\n {2}\* expires must be an RFC 3339 date-time/);
    expect(body.message).toMatch(TRAILER('createClient', 'InputValidationError', 400));
    expect(body.requestInfo).toEqual({ method: 'createClient', params: { clientId: 'some/client' }, payload, time: expect.any(String) });
    expect(body.message).toContain(body.requestInfo.time);
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
  });

  it('names the first twenty fields that are wrong', async () => {
    const { body } = await test.root.post('/auth/v1/scopes/expand', Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`f${i}`, 1])));
    expect(body.message.match(/is not a field of this object; known are: scopes/g)).toHaveLength(20);
    expect(body.message).toContain('… and more');
  });

  it('for want of scopes is short, however much was asked for', async () => {
    const scopes = Array.from({ length: 10_000 }, (_, index) => `scope:${index}`);
    const caller = await test.client(...Array.from({ length: 500 }, (_, index) => `held:${index}:*`), 'auth:create-client:*');
    for (const api of [test.root.as(), caller]) {
      const began = Date.now();
      const { status, body } = await api.put('/auth/v1/clients/some%2Fclient', { expires: inADay(), description: '', scopes });
      expect(status).toBe(403);
      expect(body.message.length).toBeLessThan(50_000);
      expect(Date.now() - began).toBeLessThan(5_000);
    }
  });

  it('of what we did not foresee shows nothing of it', async () => {
    const second = await test.replica();
    await test.database.pool.query('alter table role rename to role_gone');
    await test.database.pool.query('update auth_version set version = version + 1');
    try {
      const { status, body } = await second.root.put('/auth/v1/roles/x', { scopes: [], description: '' });
      expect({ status, code: body.code }).toEqual({ status: 500, code: 'InternalServerError' });
      expect(body.message).toMatch(/incident [0-9a-f-]{36} is in the service's log/);
      expect(JSON.stringify(body)).not.toContain('relation');
    } finally {
      await test.database.pool.query('alter table role_gone rename to role');
      await second.close();
    }
  });
});

describe('what is not there', () => {
  it.each([
    ['GET', '/'],
    ['GET', '/nothing'],
    ['GET', '/api/auth/v1/'],
    ['GET', '/api/auth/v1/nothing'],
    ['GET', '/api/auth/v2/ping'],
    ['GET', '/api/secrets/v1/ping'],
    ['GET', '/API/auth/v1/ping'],
    ['GET', '/api/auth/v1/Ping'],
    ['GET', '//api/auth/v1/ping'],
    ['GET', '/api/auth/v1/ping//'],
    ['GET', '/api/auth/v1/clients//reset'],
    ['GET', '/api/auth/v1/clients/a/b'],
    ['GET', '/api/queue/v1/task-queues/a/b/c/counts'],
    ['GET', '/api/auth/v1/scopes/expand'],
    ['PUT', '/api/auth/v1/scopes/current'],
    ['PATCH', '/api/auth/v1/scopes/current'],
    ['TRACE', '/api/auth/v1/ping'],
    ['PROPFIND', '/api/auth/v1/ping'],
    ['OPTIONS', '/ping'],
  ])('%s %s is not found', async (method, path) => {
    const { status, text } = await send(method, path);
    expect({ status, body: JSON.parse(text || '{}') }).toEqual({ status: 404, body: { error: 'Not found' } });
  });

  it('is not found with a body that cannot be read, either', async () => {
    for (const [headers, body] of [
      [JSON_TYPE, '{'],
      [{ 'content-type': ';;;' }, '{}'],
    ] as const) {
      expect(await send('POST', '/api/auth/v1/nothing', headers, body)).toMatchObject({ status: 404, text: '{"error":"Not found"}' });
    }
  });
});

describe('paths', () => {
  it('may end in a slash', async () => {
    for (const path of ['/api/auth/v1/ping/', '/ping/', '/api/auth/v1/clients/', '/api/auth/v1/roles/']) {
      expect(await send('GET', path)).toMatchObject({ status: 200 });
    }
  });

  it('take an encoded slash in every parameter, and a literal one in the task queue of claim-work, pending and counts', async () => {
    const worker = JSON.stringify({ workerGroup: 'a', workerId: 'b' });
    for (const queue of ['test%2Fqueue', 'test/queue', 'test%2fqueue', 'test/queue/']) {
      const pending = await send('GET', `/api/queue/v1/pending/${queue}`);
      expect({ ...pending, body: JSON.parse(pending.text) }).toMatchObject({ status: 200, body: { taskQueueId: 'test/queue' } });
      expect(await send('POST', `/api/queue/v1/claim-work/${queue}`, JSON_TYPE, worker)).toMatchObject({
        status: 200,
        text: '{"tasks":[]}',
      });
    }
    for (const queue of ['test%2Fqueue', 'test/queue']) {
      for (const what of ['counts', 'pending', 'claimed', 'pending/', 'claimed?limit=1']) {
        expect(await send('GET', `/api/queue/v1/task-queues/${queue}/${what}`)).toMatchObject({ status: 200 });
      }
    }
    const counter = await test.client('queue:pending-count:test/queue');
    expect(await counter.get('/queue/v1/pending/test%2Fqueue')).toMatchObject({ status: 200 });
    expect(await counter.get('/queue/v1/pending/test%2Fqueuf')).toMatchObject({ status: 403 });
    expectRefusal(await send('GET', '/api/queue/v1/pending/test/queue?limit=1'), 400, 'InvalidRequestArguments');
    expect(await test.root.get('/queue/v1/pending/a/b/c')).toMatchObject({ status: 404 });
  });

  it.each(['%ZZ', '%E0%A4%A', '%FF', '%', 'a'.repeat(5000), '%61'.repeat(4097)])('with %s are refused', async (parameter) => {
    const { status, headers, text } = await send('GET', `/api/auth/v1/clients/${parameter}`, { authorization: 'none' });
    const message = expectRefusal({ status, headers, text }, 400, 'InvalidRequestArguments');
    expect(message).toMatch(TRAILER('-', 'InvalidRequestArguments', 400));
    expect(headers['x-for-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each(['%00', '%0A', '%0D%0AX-Evil:1', '..%2F..', '%F0%9F%98%80', 'constructor', '__proto__', 'a'.repeat(2000)])(
    'with %s are an id like another, or none',
    async (id) => {
      const { status, text, headers } = await send('GET', `/api/auth/v1/clients/${id}`);
      expect([400, 404]).toContain(status);
      expect(JSON.parse(text).message).toMatch(TRAILER('client', JSON.parse(text).code, status));
      expect(headers['x-evil']).toBeUndefined();
    },
  );

  it('and headers of any length get an answer, and the service goes on', async () => {
    for (const request of [
      `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET /ping HTTP/1.1\r\nHost: x\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`,
      `GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${Array.from({ length: 3000 }, (_, i) => `X${i}:\r\n`).join('')}\r\n`,
      'FROB /ping HTTP/1.1\r\nHost: x\r\n\r\n',
      'GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n',
      'POST /ping HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      '\0\0\0\0\r\n\r\n',
    ]) {
      expect(await bytes(request)).toMatch(/^HTTP\/1\.1 (4\d\d|200) /);
    }
    expect(await test.root.get('/ping')).toMatchObject({ status: 200 });
  });

  it('with a long Authorization header are refused by its length, not by accident', async () => {
    const answer = await test.root.get('/auth/v1/scopes/current', { authorization: `Hawk id="${'a'.repeat(4100)}"` });
    expect(answer).toMatchObject({ status: 401, body: { message: expect.stringMatching(/^Bad Request: Header length too long/) } });
  });
});

it('a run id is told from what is none in one pass', () => {
  const began = Date.now();
  expect(RUN_ID.pattern.test(`${'9'.repeat(300_000)}x`)).toBe(false);
  expect(Date.now() - began).toBeLessThan(1_000);
  for (const id of ['0', '7', '007', '1000']) expect(RUN_ID.pattern.test(id)).toBe(true);
});

describe('the query', () => {
  it.each([
    ['/api/auth/v1/ping?x=1', '"x"'],
    ['/api/auth/v1/clients?limit=1&limit=1', 'limit is given more than once'],
    ['/api/auth/v1/clients?Limit=1', '"Limit"'],
    ['/api/auth/v1/clients?__proto__=1', '"__proto__"'],
    ['/api/auth/v1/clients?constructor=1', '"constructor"'],
    ['/api/auth/v1/clients?limit%5B%5D=1', '"limit[]"'],
    ['/api/auth/v1/clients?=1', '""'],
    ['/api/auth/v1/clients?continuationToken=%00', 'continuationToken'],
    ['/api/auth/v1/clients?continuationToken=%ZZ', 'continuationToken'],
  ])('%s is refused by name', async (path, name) => {
    expect(expectRefusal(await send('GET', path), 400, 'InvalidRequestArguments')).toContain(name);
  });

  it('may hold a bewit where nobody looks at it', async () => {
    expect(await send('GET', '/api/auth/v1/ping?bewit=x')).toMatchObject({ status: 200 });
    expect(await send('GET', '/api/auth/v1/clients?')).toMatchObject({ status: 200 });
  });
});

describe('a body', () => {
  const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

  it.each([
    ['cut short', '{'],
    ['with a comment', '{/**/}'],
    ['with a byte order mark', '\ufeff{}'],
    ['in single quotes', "{'scopes':[]}"],
    ['a number', '1'],
    ['a text', '"x"'],
    ['null', 'null'],
    ['true', 'true'],
    ['a list', '[]'],
    ['too deep', nested(101)],
    ['of a hundred thousand brackets', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['with a prototype', '{"__proto__":{"scopes":[]}}'],
    ['with a prototype further in', '{"scopes":[{"a":{"__proto__":1}}]}'],
    ['with an escaped prototype', '{"\\u005f_proto__":1}'],
    ['with half a surrogate pair', '{"scopes":["\\ud800"]}'],
    ['with half a surrogate pair in a key', '{"\\udc00":1}'],
    ['with a number beyond all numbers', '{"scopes":[1e400]}'],
    ['with a number below all numbers', '{"scopes":-1e400}'],
    ['empty', ''],
  ])('%s is malformed', async (_, body) => {
    const message = expectRefusal(await send('POST', EXPAND, JSON_TYPE, body), 400, 'MalformedPayload');
    expect(message).toMatch(TRAILER('expandScopes', 'MalformedPayload', 400));
  });

  it.each([
    'text/plain',
    'application/vnd.leasehold.unread',
    'application/x-www-form-urlencoded',
    'application/jsonx',
    'multipart/form-data; boundary=x',
    'foo',
    ';;;',
    '',
  ])('of type %j is none', async (type) => {
    const message = expectRefusal(await send('POST', EXPAND, { 'content-type': type }, '{"scopes":[]}'), 400, 'MalformedPayload');
    expect(message).toContain('application/json');
  });

  it('without a type is none', async () => {
    expect(expectRefusal(await send('POST', EXPAND, {}, '{"scopes":[]}'), 400, 'MalformedPayload')).toContain('application/json');
    expect(expectRefusal(await send('POST', EXPAND), 400, 'MalformedPayload')).toContain('application/json');
  });

  it.each([
    'application/json',
    'APPLICATION/JSON',
    'application/json; charset=utf-8',
    'application/json;charset="utf-8"; x=y',
    'application/json; Charset=US-ASCII',
  ])('of type %s is read', async (type) => {
    expect(await send('POST', EXPAND, { 'content-type': type }, '{"scopes":[]}')).toMatchObject({ status: 200 });
  });

  it('compressed is not taken for JSON', async () => {
    const body = gzipSync('{"scopes":[]}');
    expectRefusal(await send('POST', EXPAND, { ...JSON_TYPE, 'content-encoding': 'gzip' }, body), 400, 'MalformedPayload');
  });

  it('that is not UTF-8 is malformed, not read with replacement characters', async () => {
    for (const bytes of ['{"scopes":["a\xff"]}', '{"scopes":["\xe9"]}', '{"scopes":["\xed\xa0\x80"]}', '{"scopes":["\xc0\xaf"]}']) {
      const answer = await send('POST', EXPAND, JSON_TYPE, Buffer.from(bytes, 'latin1'));
      expect(expectRefusal(answer, 400, 'MalformedPayload')).toContain('The body is not UTF-8; encode it as UTF-8');
    }
  });

  it.each(['iso-8859-1', 'utf-16', '"latin1"', 'utf-8x', '', '"utf-8'])('in the charset %s is malformed', async (charset) => {
    const answer = await send('POST', EXPAND, { 'content-type': `application/json; x=y; Charset=${charset}` }, '{"scopes":[]}');
    expect(expectRefusal(answer, 400, 'MalformedPayload')).toContain(`charset=${charset}, but JSON is read as UTF-8`);
  });

  it('is hashed as the bytes that came, whatever they are', async () => {
    const target = (resource: string) => {
      const { hostname, port } = new URL(test.root.url);
      return { method: 'POST', resource, host: hostname, port: Number(port) };
    };
    const bytes = Buffer.from('{"scopes":["\xff"]}', 'latin1');
    const path = '/api/auth/v1/clients/none/enable';
    const signed = (hashed: Buffer) => {
      const body = { contentType: 'text/plain', text: hashed as unknown as string };
      return authorizationHeader(test.root.credentials!, target(path), { nowMs: Date.now(), nonce: 'abcdef', body });
    };
    const answer = (authorization: string) => send('POST', path, { 'content-type': 'text/plain', authorization }, bytes);
    expectRefusal(await answer(signed(bytes)), 404, 'ResourceNotFound');
    expectRefusal(await answer(signed(Buffer.from(bytes.toString('utf8')))), 401, 'AuthenticationFailed');
  });

  it('may take a minute to arrive', () => {
    expect(test.service.app.getHttpServer()).toMatchObject({ requestTimeout: 60_000 });
  });

  it('is not looked at where an operation takes none', async () => {
    const client = encodeURIComponent((await test.client()).credentials!.clientId);
    for (const [headers, body] of [
      [{}, undefined],
      [JSON_TYPE, '{"any":"thing"}'],
      [JSON_TYPE, ''],
      [{ 'content-type': 'text/plain' }, 'hello'],
    ] as const) {
      expect(await send('POST', `/api/auth/v1/clients/${client}/enable`, headers, body)).toMatchObject({ status: 200 });
    }
    expect(await send('DELETE', `/api/auth/v1/clients/${client}`, JSON_TYPE)).toMatchObject({ status: 204, text: '' });
  });

  it('keeps text of every kind that a task may hold', async () => {
    const taskId = slugid();
    const odd = 'NUL \0, quote ", backslash \\, é, 😀, \u2028, \ufffe, <script>';
    const payload = { [odd]: odd, constructor: 'x', toString: 1, big: 1e308, small: 5e-324, deep: JSON.parse(nested(90)) };
    const task = definition({ payload, extra: { odd }, tags: { odd }, routes: [odd] });
    expect(await test.root.put(`/queue/v1/task/${taskId}`, task)).toMatchObject({ status: 200 });
    const { body } = await test.root.get(`/queue/v1/task/${taskId}`);
    expect(body).toMatchObject({ payload, extra: { odd }, tags: { odd }, routes: [odd] });
  });

  it.each([
    ['metadata', { metadata: { name: 'a\0', description: '', owner: 'a', source: 'http://a' } }],
    ['metadata', { metadata: { name: 'a', description: '\0', owner: 'a', source: 'http://a' } }],
    ['metadata', { metadata: [] }],
    ['metadata', { metadata: null }],
    ['schedulerId', { schedulerId: 'a\0' }],
    ['projectId', { projectId: 'a\0' }],
    ['taskGroupId', { taskGroupId: 'a\0' }],
    ['dependencies', { dependencies: ['a\0'] }],
    ['scopes', { scopes: ['a\0'] }],
    ['priority', { priority: 'normal' }],
    ['retries', { retries: 50 }],
    ['retries', { retries: 1.5 }],
    ['payload', { payload: 'x' }],
    ['payload', { payload: undefined }],
    ['tags', { tags: { a: 1 } }],
    ['deadline', { deadline: '2026-02-30T00:00:00Z' }],
    ['constructor', { constructor: {} }],
  ])('whose %s is wrong is refused by name and leaves nothing behind: %j', async (field, change) => {
    const taskId = slugid();
    const { status, body } = await test.root.put(`/queue/v1/task/${taskId}`, definition(change));
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'InputValidationError' });
    expect(body.message).toContain(field);
    expect(await test.root.get(`/queue/v1/task/${taskId}`)).toMatchObject({ status: 404 });
  });

  const MiB = 1024 * 1024;

  it('beyond 10 MiB is too large, announced or not', async () => {
    const megabyte = `${MiB.toString(16)}\r\n${'a'.repeat(MiB)}\r\n`;
    const bodiless = [
      'POST /api/auth/v1/clients/x/enable',
      'DELETE /api/auth/v1/clients/x',
      `POST /api/queue/v1/task/${slugid()}/schedule`,
    ];
    for (const line of [`POST ${EXPAND}`, ...bodiless]) {
      const head = `${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n`;
      const announced = await bytes(`${head}Content-Length: ${11 * MiB}\r\n\r\n`, '{"scopes":["');
      const chunked = await bytes(`${head}Transfer-Encoding: chunked\r\n\r\n`, ...Array(11).fill(megabyte), '0\r\n\r\n');
      for (const answer of [announced, chunked]) {
        expect(answer).toMatch(/^HTTP\/1\.1 413 /);
        expect(answer).toContain('"code":"InputTooLarge"');
        expect(answer).toMatch(/The body is larger than 10 MiB/);
      }
    }
    const whole = await test.root.put('/auth/v1/clients/large', { expires: inADay(), description: 'a'.repeat(11 * MiB) }).catch((error) => {
      expect(error.code).toMatch(/EPIPE|ECONNRESET/); // the refusal may come before all was sent
    });
    if (whole) expect(whole).toMatchObject({ status: 413, body: { code: 'InputTooLarge' } });
    expect(await test.root.get('/auth/v1/clients/large')).toMatchObject({ status: 404 });
  });

  it('of hundreds of thousands of values does not keep the others waiting for minutes', async () => {
    const scopes = Array.from({ length: 300_000 }, (_, index) => `s${index}`);
    const began = Date.now();
    const anonymous = test.root.as();
    const list = { expires: inADay(), description: '', scopes };
    for (const length of [10_001, 250_000, 300_000]) {
      const refused = await anonymous.put('/auth/v1/clients/x', { ...list, scopes: scopes.slice(0, length) });
      expect(refused).toMatchObject({ status: 400 });
    }
    expect(await anonymous.put('/auth/v1/clients/x', { ...list, scopes: scopes.slice(0, 10_000) })).toMatchObject({ status: 403 });
    expect(await anonymous.put('/auth/v1/clients/x', { ...list, scopes: ['s0', ...scopes.slice(0, 9_000)] })).toMatchObject({
      status: 400,
    });
    expect(Date.now() - began).toBeLessThan(15_000);
  });

  it('shorter or longer than announced is refused or cut, and the next request is not mistaken', async () => {
    const head = `POST ${EXPAND} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
    const answer = await bytes(`${head}Content-Length: 2\r\n\r\n{}GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer.match(/HTTP\/1\.1 (\d+)/g)).toEqual(['HTTP/1.1 403', 'HTTP/1.1 200']);
  });
});

describe('the order of refusals', () => {
  const stranger = { authorization: 'Hawk id="x", ts="1", nonce="x", mac="x"' };
  let weak: Api;
  beforeAll(async () => {
    weak = await test.client('irrelevant');
  });
  const codeOf = ({ status, body }: Answer) => `${status} ${body.code}`;

  it('a malformed body comes before bad credentials', async () => {
    expectRefusal(await send('POST', EXPAND, { ...JSON_TYPE, ...stranger }, '{'), 400, 'MalformedPayload');
  });

  it('bad credentials before scopes, scopes before the id, the id before existence', async () => {
    const path = '/queue/v1/task/no-slugid';
    expect(codeOf(await test.root.get(path, stranger))).toBe('401 AuthenticationFailed');
    expect(codeOf(await weak.get(path))).toBe('403 InsufficientScopes');
    expect(codeOf(await test.root.as().get(path))).toBe('403 InsufficientScopes');
    expect(codeOf(await test.root.get(path))).toBe('400 InvalidRequestArguments');
    expect(codeOf(await test.root.get(`/queue/v1/task/${slugid()}`))).toBe('404 ResourceNotFound');
  });

  it('scopes before the query', async () => {
    expect(codeOf(await weak.get('/auth/v1/clients?x=1'))).toBe('403 InsufficientScopes');
    expect(codeOf(await test.root.get('/auth/v1/clients?x=1'))).toBe('400 InvalidRequestArguments');
  });

  it('the id and the query before the body', async () => {
    const bad = { newPriority: 'urgent' };
    expect(codeOf(await test.root.post('/queue/v1/task/no-slugid/priority', bad))).toBe('400 InvalidRequestArguments');
    expect(codeOf(await test.root.post(`/queue/v1/task/${slugid()}/priority?x=1`, bad))).toBe('400 InvalidRequestArguments');
    expect(codeOf(await test.root.post(`/queue/v1/task/${slugid()}/priority`, bad))).toBe('400 InputValidationError');
    expect(codeOf(await test.root.put('/queue/v1/task/no-slugid', {}))).toBe('400 InvalidRequestArguments');
  });

  it('the shape of the body before the scopes that depend on it, those before its sense', async () => {
    const path = '/auth/v1/clients/order';
    const bad = { expires: 'never', description: '' };
    const good = { expires: inADay(), description: '', scopes: ['a:**'] };
    expect(codeOf(await test.root.put(path, bad, stranger))).toBe('401 AuthenticationFailed');
    expect(codeOf(await weak.put(path, bad))).toBe('400 InputValidationError');
    expect(codeOf(await weak.put(path, good))).toBe('403 InsufficientScopes');
    expect(codeOf(await test.root.put(path, good))).toBe('400 InputError');
    expect(codeOf(await weak.post('/auth/v1/scopes/expand', { scopes: 1 }))).toBe('403 InsufficientScopes'); // the URL alone decides here
  });

  it('scopes before existence', async () => {
    const unknown = slugid();
    for (const verb of ['schedule', 'cancel', 'rerun']) {
      expect(codeOf(await weak.post(`/queue/v1/task/${unknown}/${verb}`))).toBe('403 InsufficientScopes');
      expect(codeOf(await test.root.post(`/queue/v1/task/${unknown}/${verb}`))).toBe('404 ResourceNotFound');
    }
  });
});

describe('headers', () => {
  const always = {
    'cache-control': 'no-store no-cache must-revalidate',
    'x-content-type-options': 'nosniff',
    'x-for-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    'x-for-trace-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
  };
  const page = { 'content-security-policy': "default-src 'none'; frame-ancestors 'none'" };
  const crossOrigin = {
    ...page,
    'access-control-allow-origin': '*',
    'access-control-expose-headers':
      'Location,Retry-After,WWW-Authenticate,X-For-Request-Id,X-For-Trace-Id,X-Taskcluster-Artifact-Storage-Type',
  };
  const preflight = {
    'access-control-allow-methods': expect.stringMatching(/GET.*POST.*PUT.*DELETE/),
    'access-control-allow-headers':
      'X-Requested-With,Content-Type,Authorization,Accept,Origin,Cache-Control,Idempotency-Key,Last-Event-ID,DPoP',
    'access-control-max-age': '900',
  };
  const FOR_BROWSERS = /^access-control-|^content-security-policy$|^vary$/;
  const forBrowsers = ({ headers }: Raw) => Object.fromEntries(Object.entries(headers).filter(([name]) => FOR_BROWSERS.test(name)));

  const answers: [string, string, string, number][] = [
    ['an answer', 'GET', '/api/auth/v1/ping', 200],
    ['an answer without its body', 'HEAD', '/api/auth/v1/ping', 200],
    ['an empty answer', 'DELETE', '/api/auth/v1/roles/none', 204],
    ['a refusal', 'GET', '/api/auth/v1/clients/none', 404],
    ['a refusal to do', 'POST', '/api/auth/v1/clients/none/reset', 404],
    ['an unknown path', 'GET', '/api/auth/v1/none', 404],
    ['a path that cannot be routed', 'GET', '/api/auth/v1/clients/%ZZ', 400],
  ];
  const isRead = (method: string) => method === 'GET' || method === 'HEAD';

  it.each(answers)('of %s to a page of another origin', async (_, method, path, status) => {
    for (const origin of ['https://elsewhere.example.com', 'null']) {
      const answer = await send(method, path, { origin });
      expect(answer).toMatchObject({ status, headers: always });
      expect(forBrowsers(answer)).toEqual({ ...crossOrigin, ...(isRead(method) && { vary: 'origin' }) });
    }
  });

  // a browser would say its origin, but in a GET of its own; and what it keeps of that is for no other origin
  it.each(answers)('of %s to what is no page of another origin', async (_, method, path, status) => {
    const answer = await send(method, path);
    expect(answer).toMatchObject({ status, headers: always });
    expect(forBrowsers(answer)).toEqual(isRead(method) ? { ...page, vary: 'origin' } : {});
  });

  it.each(['/api/auth/v1/clients/none', '/api/queue/v1/none'])('of a preflight of %s', async (path) => {
    for (const headers of [{ origin: 'https://elsewhere.example.com', 'access-control-request-method': 'PUT' }, {}]) {
      const answer = await send('OPTIONS', path, headers as Record<string, string>);
      expect(answer).toMatchObject({ status: 200, text: '', headers: { ...always, ...crossOrigin, ...preflight } });
      expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
    }
  });

  it('repeat a trace id, if it is one', async () => {
    const trace = async (id: string) =>
      (await send('GET', '/api/auth/v1/ping', { 'x-taskcluster-trace-id': id })).headers['x-for-trace-id'];
    expect(await trace('my-trace_1')).toBe('my-trace_1');
    for (const id of ['a b', '<script>', 'a'.repeat(65), '']) expect(await trace(id)).toEqual(always['x-for-trace-id']);
  });

  it('answer HEAD like GET, without the body', async () => {
    for (const path of ['/api/auth/v1/ping', '/api/auth/v1/clients', '/api/auth/v1/clients/none', '/ping']) {
      const [get, head] = [await send('GET', path), await send('HEAD', path)];
      expect(head.status).toBe(get.status);
      expect(head.text).toBe('');
      expect(head.headers['content-type']).toBe(get.headers['content-type']);
    }
    expect((await send('HEAD', '/api/auth/v1/clients', { authorization: '' })).status).toBe(401);
    expect((await test.root.as().request('head', '/auth/v1/clients')).status).toBe(403);
  });
});

describe('compression', () => {
  const scopes = Array.from({ length: 2_000 }, (_, index) => `scope:${String(index).padStart(4, '0')}`);
  const body = JSON.stringify({ scopes });

  function ask(encoding: string | undefined, sent = body): Promise<{ headers: Raw['headers']; bytes: Buffer }> {
    return new Promise((resolve, reject) => {
      const headers = {
        ...JSON_TYPE,
        authorization: sign('POST', EXPAND),
        ...(encoding === undefined ? {} : { 'accept-encoding': encoding }),
      };
      const call = httpRequest(test.root.url + EXPAND, { method: 'POST', headers });
      call.on('response', async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk);
        resolve({ headers: response.headers, bytes: Buffer.concat(chunks) });
      });
      call.on('error', reject);
      call.end(sent);
    });
  }

  it.each(['gzip', 'gzip, deflate, br', 'GZIP;q=0.5', 'br;q=1.0, gzip; q=0.001', '*', 'br, *;q=0.1', 'gzip, *;q=0'])(
    'is there for long answers to who accepts %s',
    async (encoding) => {
      const { headers, bytes } = await ask(encoding);
      expect(headers).toMatchObject({
        'content-encoding': 'gzip',
        vary: 'accept-encoding, origin',
        'content-type': expect.stringMatching(/json/),
      });
      expect(JSON.parse(gunzipSync(bytes).toString())).toEqual({ scopes });
      expect(bytes.length).toBeLessThan(body.length / 2);
      if (headers['content-length'] !== undefined) expect(headers['content-length']).toBe(String(bytes.length));
    },
  );

  it.each([undefined, '', 'identity', 'br', 'gzip;q=0', 'gzip; q=0.000, *', '*;q=0', 'gzipx'])(
    'is not for who accepts %j',
    async (encoding) => {
      const { headers, bytes } = await ask(encoding);
      expect(headers['content-encoding']).toBeUndefined();
      expect(headers).toMatchObject({ vary: 'accept-encoding, origin', 'content-length': String(bytes.length) });
      expect(JSON.parse(bytes.toString())).toEqual({ scopes });
    },
  );

  it('is neither for short answers nor for HEAD', async () => {
    const { headers, bytes } = await ask('gzip', JSON.stringify({ scopes: scopes.slice(0, 1_000) }));
    expect(headers['content-encoding']).toBeUndefined();
    expect(JSON.parse(bytes.toString()).scopes).toHaveLength(1_000);
    const role = '/api/auth/v1/roles/long';
    expect(await test.root.put('/auth/v1/roles/long', { scopes, description: '' })).toMatchObject({ status: 200 });
    const head = await send('HEAD', role, { 'accept-encoding': 'gzip' });
    expect(head).toMatchObject({ status: 200, text: '' });
    expect(head.headers['content-encoding']).toBeUndefined();
    expect(Number(head.headers['content-length'])).toBeGreaterThan(16 * 1024);
  });
});

describe('who tries out signing', () => {
  it.each(['a b', 'a/b', 'a:80', 'é', '[::1', '::1]', '[]', 'a\nb', '[a.example]'])('is not asked at the host %j', async (host) => {
    const request = { method: 'get', resource: '/', host, port: 80 };
    const { status, body } = await test.root.as().post('/auth/v1/authenticate-hawk', request);
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'InputValidationError' });
    expect(body.message).toContain('host must be the host name or IP address');
  });

  it.each(['localhost', 'tasks.example.com', 'my_service-1', '127.0.0.1', '::1', '[2001:db8::1]', '[::ffff:1.2.3.4]'])(
    'may be asked at the host %s',
    async (host) => {
      const request = { method: 'get', resource: '/', host, port: 80 };
      expect(await test.root.as().post('/auth/v1/authenticate-hawk', request)).toMatchObject({ status: 200 });
    },
  );

  it.each(['host', 'sourceIp'])('is refused a long %s without ado', async (field) => {
    const request = { method: 'get', resource: '/', host: 'a', port: 80, [field]: `${':'.repeat(300_000)}!` };
    const began = Date.now();
    expect(await test.root.as().post('/auth/v1/authenticate-hawk', request)).toMatchObject({ status: 400 });
    expect(Date.now() - began).toBeLessThan(5_000);
  });

  it('names at most a thousand scopes, because anybody may, and what is missing costs held times required', async () => {
    const scopes = (of: string, count: number) => Array.from({ length: count }, (_, index) => `${of}:${index}*`);
    for (const field of ['clientScopes', 'requiredScopes']) {
      const { status, body } = await test.root.post('/auth/v1/test-authenticate', { [field]: scopes('a', 1001) });
      expect({ status, code: body.code }).toEqual({ status: 400, code: 'InputValidationError' });
      expect(body.message).toContain(field);
    }
    const tester = test.root.as({ clientId: 'tester', accessToken: 'no-secret' });
    const began = Date.now();
    const most = { clientScopes: scopes('a', 1000), requiredScopes: scopes('b', 1000) };
    expect(await tester.post('/auth/v1/test-authenticate', most)).toMatchObject({ status: 403 });
    expect(Date.now() - began).toBeLessThan(2_000);
  });
});

describe('the contract', () => {
  const guarded = documentedRoutes.filter(({ operation }) => operation['x-required-scopes'] !== undefined);

  it('guards all but what anybody may call', () => {
    const open = documentedRoutes.filter((route) => !guarded.includes(route)).map(({ operation }) => operation.operationId);
    const status = ['queue', 'auth', 'purgeCache', 'process'].flatMap((of) =>
      ['Ping', 'Lbheartbeat', 'Heartbeat', 'Version'].map((what) => of + what),
    );
    const signedUrls = ['putBlob', 'getBlob']; // the URL is the authority
    const byThemselves = ['exchangeToken', 'introspectToken', 'revokeToken']; // also by a token, or an id and its secret, so they ask themselves
    byThemselves.push('getRegistryToken', 'createRegistryToken'); // which may give nothing
    const discovery = ['registryCertificate', 'publicKeys', 'openidConfiguration', 'oauthAuthorizationServer', 'statusList'];
    expect(open.sort()).toEqual(
      [...status, ...signedUrls, ...discovery, ...byThemselves, 'authenticateHawk', 'testAuthenticate', 'testAuthenticateGet'].sort(),
    );
    expect(guarded.length).toBeGreaterThan(25);
  });

  it('promises the refusals of a body wherever one is read', () => {
    const reading = documentedRoutes
      .filter(({ method }) => method !== 'get')
      .filter(({ operation }) => operation.operationId !== 'putBlob');
    const promising = documentedRoutes.filter((route) => promisesOf(route).includes('400 MalformedPayload'));
    expect(promising).toEqual(reading);
    for (const route of reading) expect(promisesOf(route)).toContain('413 InputTooLarge');
  });

  it('notices an answer that lacks a header, also to HEAD', async () => {
    const path = '/api/auth/v1/clients';
    const { body, headers } = await test.root.as().get(path, { authorization: 'none' });
    const { 'www-authenticate': challenge, ...others } = headers;
    expect(challenge).toMatch(/^hawk, Bearer, DPoP algs=/);
    for (const method of ['GET', 'HEAD']) {
      expect(() => assertContract(method, path, { status: 401, body, headers: others })).toThrow(/401 without www-authenticate/);
    }
  });

  it('promises what is served, and nothing else is served but its own pages', () => {
    const served = servedRoutes(test.service.app.getHttpAdapter().getInstance() as unknown as FastifyInstance);
    const promised = documentedRoutes.map(({ method, path }) => `${method.toUpperCase()} ${path.replace(/\{\w+\}/g, ':')}`);
    const pages = ['', '/openapi.yaml', '/openapi.json', '/page/start.js', '/page/swagger-ui.css', '/page/swagger-ui-bundle.js'];
    expect(served.sort()).toEqual([...promised, ...pages.map((page) => `GET /api${page}`)].sort());
  });

  it('is served as a file and as a page', async () => {
    const get = (path: string) => fetch(test.root.url + path);
    const yaml = await get('/api/openapi.yaml');
    expect(yaml.headers.get('content-type')).toBe('application/yaml; charset=utf-8');
    expect(await yaml.text()).toBe(readFileSync('openapi.yaml', 'utf8'));
    const json = (await (await get('/api/openapi.json')).json()) as { openapi: string };
    expect(json.openapi).toBe('3.1.0');
    const page = await get('/api');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    for (const [, file = ''] of (await page.text()).matchAll(/(?:src|href)="([^"]+)"/g)) expect((await get(file)).status).toBe(200);
  });
});

/** What Fastify routes, without the HEAD that goes with every GET, and without the names of parameters. */
function servedRoutes(fastify: FastifyInstance): string[] {
  const parents: string[] = [];
  return fastify
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap((line) => {
      const [, indent = '', path = '', methods = ''] = /^([│ ]*)[├└]── (\S+) \(([^)]+)\)$/.exec(line) ?? [];
      if (!path) return [];
      const depth = indent.length / 4;
      parents.splice(depth, parents.length, (parents[depth - 1] ?? '') + path);
      const whole = parents[depth]?.replace(/:\w+(\|:\w+)*/g, ':'); // routes that only begin alike call it by several names
      return methods
        .split(', ')
        .filter((method) => method !== 'HEAD')
        .map((method) => `${method} ${whole}`);
    });
}
