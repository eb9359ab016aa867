import { describe, expect, it } from '@jest/globals';
import { answerHeaders, requestHeaders } from './headers.js';

describe('of a request', () => {
  it('what says who calls, from where and to whom stays here', () => {
    const stays = {
      authorization: 'Hawk id="somebody"',
      cookie: 'a=b',
      dpop: 'proof',
      host: 'evil.example',
      connection: 'close, accept',
      te: 'trailers',
      'transfer-encoding': 'chunked',
      upgrade: 'h2c',
      forwarded: 'host=evil.example',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
      'x-original-url': '/oauth/token',
      'x-http-method-override': 'DELETE',
      'proxy-authorization': 'Basic x',
      origin: 'https://evil.example',
    };
    const goes = { 'content-type': 'application/json', 'content-length': '2', accept: '*/*', 'idempotency-key': 'one' };
    expect(requestHeaders({ ...stays, ...goes })).toEqual(goes);
  });
});

describe('of an answer', () => {
  it('what is of the connection, sets a cookie or tells of credentials stays here', () => {
    const stays = {
      connection: 'keep-alive, X-Hop',
      'x-hop': '1',
      'keep-alive': 'timeout=5',
      'transfer-encoding': 'chunked',
      'set-cookie': ['a=b'],
      'www-authenticate': 'Hawk',
      'server-authorization': 'Hawk mac="x"',
    };
    const goes = { location: 'https://elsewhere.example/', etag: '"x"', 'content-length': '3', 'retry-after': '1' };
    expect(answerHeaders({ ...stays, ...goes })).toEqual(goes);
  });
});
