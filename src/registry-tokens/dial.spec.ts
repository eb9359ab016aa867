import type { LookupAddress, LookupOptions, lookup } from 'node:dns';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type AddressKind, dialableKinds } from './addresses.js';
import { RegistryAuthError } from './attempt.js';
import { dialOptions } from './dial.js';

const NAMED = dialableKinds('registry.example.com');

/** A resolver that knows every name by the same addresses; each further question is answered by the next of the answers. */
function resolver(...answers: readonly (readonly string[] | Error)[]): typeof lookup & { asked: number } {
  const resolve = (_name: string, options: LookupOptions, callback: (error: Error | null, addresses: LookupAddress[]) => void) => {
    expect(options.all).toBe(true);
    const answer = answers[Math.min(resolve.asked++, answers.length - 1)] ?? [];
    if (answer instanceof Error) return callback(answer, undefined as never); // as the real one does
    callback(
      null,
      answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  resolve.asked = 0;
  return resolve as unknown as typeof lookup & { asked: number };
}

function found(kinds: readonly AddressKind[], addresses: readonly string[] | Error, options: LookupOptions): Promise<unknown> {
  const { lookup: checked } = dialOptions(new URL('https://registry.example.com/'), kinds, resolver(addresses));
  return new Promise((resolve, reject) => {
    checked('registry.example.com', options, (error, address, family) =>
      error ? reject(error) : resolve(family ? { address, family } : address),
    );
  });
}

/** What a request to that URL ends with: an answer, or its error. */
function requested(url: string, kinds: readonly AddressKind[], resolve: typeof lookup): Promise<number | Error> {
  return new Promise((done) => {
    const request = http.request({ ...dialOptions(new URL(url), kinds, resolve), agent: false, path: '/' }, (answer) => {
      answer.resume();
      done(answer.statusCode ?? 0);
    });
    request.on('error', done).end();
  });
}

describe('dialOptions', () => {
  it.each([
    ['https://registry.example.com/x', { host: 'registry.example.com', port: 443, servername: 'registry.example.com' }],
    ['https://registry.example.com:8443/', { host: 'registry.example.com', port: 8443, servername: 'registry.example.com' }],
    ['http://registry.example.com/', { host: 'registry.example.com', port: 80 }],
    ['http://registry.example.com:0/', { host: 'registry.example.com', port: 0 }],
    ['https://registry.example.com./', { host: 'registry.example.com.', port: 443, servername: 'registry.example.com' }],
    ['https://8.8.8.8/', { host: '8.8.8.8', port: 443, servername: '' }],
    ['https://[2606:4700::1]:444/', { host: '2606:4700::1', port: 444, servername: '' }],
  ])('%s is dialled as it says', (url, options) => {
    expect(dialOptions(new URL(url), NAMED)).toEqual({ ...options, lookup: expect.any(Function) });
  });

  it.each([
    '127.0.0.1',
    '0x7f.1',
    '2130706433',
    '0177.0.0.1',
    '169.254.169.254',
    '0.0.0.0',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:a9fe:a9fe]',
    '[fd00:ec2::254]',
    '[fe80::1]',
    '%31%32%37.0.0.1',
    '127。0。0。1',
  ])('64: an address of another kind is refused at once: http://%s', (host) => {
    expect(() => dialOptions(new URL(`http://${host}/`), NAMED)).toThrow(expect.objectContaining({ code: 'address-refused' }));
  });

  it.each([
    [['127.0.0.1']],
    [['169.254.169.254']],
    [['fd00:ec2::254']],
    [['::ffff:10.0.0.1', '::ffff:127.0.0.1']],
    [['8.8.8.8', '127.0.0.1']],
    [['2606:4700::1', '8.8.8.8', '::1']],
    [['0.0.0.0']],
    [['not an address']],
    [[]],
  ])('64: of a name that leads to %j nothing is dialled', async (addresses) => {
    for (const all of [true, false]) {
      await expect(found(NAMED, addresses, { all })).rejects.toMatchObject({
        code: 'address-refused',
        message: expect.stringContaining('registry.example.com'),
      });
    }
  });

  it('64: a refusal tells the kind of an address, and not the address', async () => {
    const refusal = await found(NAMED, ['169.254.169.254'], { all: true }).catch((error: Error) => error);
    expect(refusal).toBeInstanceOf(RegistryAuthError);
    expect((refusal as Error).message).toMatch(/link-local(?!.*169)/);
  });

  it('hands over all addresses or the first, and why there are none', async () => {
    const both = ['10.0.0.1', '2606:4700::1'];
    await expect(found(NAMED, both, { all: true })).resolves.toEqual([
      { address: '10.0.0.1', family: 4 },
      { address: '2606:4700::1', family: 6 },
    ]);
    await expect(found(NAMED, both, {})).resolves.toEqual({ address: '10.0.0.1', family: 4 });
    await expect(found(NAMED, new Error('ENOTFOUND'), { all: true })).rejects.toThrow('ENOTFOUND');
  });

  describe('with a server', () => {
    const server = http.createServer((_request, response) => response.end());
    let port: number;
    let connections = 0;
    server.on('connection', () => connections++);
    beforeAll(() => new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready)));
    beforeAll(() => {
      port = (server.address() as AddressInfo).port;
    });
    afterAll(() => server.close());

    it('dials the address that was looked at', async () => {
      expect(await requested(`http://registry.example.com:${port}/`, ['loopback'], resolver(['127.0.0.1']))).toBe(200);
    });

    it('64: every answer is looked at, so a name that leads to this machine the second time is refused then', async () => {
      const before = connections;
      const resolve = resolver(['127.0.0.1'], ['192.168.7.7', '127.0.0.1'], ['127.0.0.1', '10.0.0.1']);
      expect(await requested(`http://registry.example.com:${port}/`, ['loopback'], resolve)).toBe(200);
      for (const kinds of [NAMED, ['loopback'] as const]) {
        expect(await requested(`http://registry.example.com:${port}/`, kinds, resolve)).toMatchObject({ code: 'address-refused' });
      }
      expect([connections - before, resolve.asked]).toEqual([1, 3]);
    });
  });
});
