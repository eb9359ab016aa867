import { describe, expect, it } from '@jest/globals';
import { bewitFromUrl, parseBewit, verifyBewit } from '../../credentials/bewit.js';
import { parseAuthorization, verifyHeader } from '../../credentials/hawk.js';
import { ServiceRoot } from './service-root.js';

const CREDENTIALS = { clientId: 'somebody', accessToken: 'a-key-of-forty-three-characters-1234567890abc' };

describe('the root', () => {
  it.each([
    ['https://tasks.example.com', 'tasks.example.com', 443, 'tasks.example.com'],
    ['http://localhost:8080/', 'localhost', 8080, 'localhost:8080'],
    ['http://[::1]', '[::1]', 80, '[::1]'],
  ])('%s', (rootUrl, host, port, authority) => expect(new ServiceRoot(rootUrl)).toMatchObject({ host, port, authority }));

  it.each(['', 'tasks.example.com', 'ftp://x', 'https://x/api', 'https://x/?a', 'https://x/#', 'https://user:secret@x', 'unix:/run/x'])(
    '%j is none',
    (rootUrl) => {
      expect(() => new ServiceRoot(rootUrl)).toThrow(/^rootUrl must be http or https/);
      expect(() => new ServiceRoot(rootUrl)).not.toThrow(/secret/);
    },
  );
});

describe('signatures', () => {
  const root = new ServiceRoot('https://tasks.example.com');
  const signed = { method: 'GET', host: 'tasks.example.com', port: 443 };

  it('a header is for this method, path and host', () => {
    const attributes = parseAuthorization(root.authorization(CREDENTIALS, 'GET', '/api/queue/v1/ping?x=1'));
    verifyHeader(CREDENTIALS.accessToken, { ...signed, resource: '/api/queue/v1/ping?x=1' }, attributes, Date.now());
    expect(attributes.id).toBe('somebody');
  });

  it.each(['/api/queue/v1/ping', '/api/queue/v1/ping?x=1'])('%s can be read for an hour', (resource) => {
    const url = root.signedUrl(CREDENTIALS, `https://tasks.example.com${resource}`);
    const found = bewitFromUrl(url.slice('https://tasks.example.com'.length))!;
    const verify = (seconds: number) =>
      verifyBewit(
        CREDENTIALS.accessToken,
        { ...signed, resource: found.resource },
        parseBewit(found.bewit, 'GET'),
        Date.now() + seconds * 1000,
      );
    expect(found.resource).toBe(resource);
    verify(3_590);
    expect(() => verify(3_600)).toThrow('Access expired');
  });

  it.each([
    'https://evil.example/api/queue/v1/ping',
    'https://tasks.example.com.evil.example/api/queue/v1/ping',
    'https://tasks.example.com@evil.example/api/queue/v1/ping',
    'http://tasks.example.com/api/queue/v1/ping',
    'https://tasks.example.com:8443/api/queue/v1/ping',
    'https://tasks.example.com/oauth/token',
    'https://tasks.example.com/api/../oauth/token',
    'https://tasks.example.com/queue/v1/ping',
    'https://tasks.example.com/api/queue/v1/ping?bewit=x',
    '/api/queue/v1/ping',
    '',
  ])('%j is not signed', (url) => expect(() => root.signedUrl(CREDENTIALS, url)).toThrow(expect.objectContaining({ status: 400 })));
});
