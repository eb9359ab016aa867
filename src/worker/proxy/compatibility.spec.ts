import { compatibilityHeaders } from './compatibility.js';

const CALL = { url: 'https://tasks.example.com/api/queue/v1/ping', clientId: 'task-client/x/0/on/g/w', scopes: ['a', 'b:*'] };

it('tells where a call went, as whom and with which scopes', () => {
  expect(compatibilityHeaders(CALL)).toEqual({
    'x-taskcluster-endpoint': CALL.url,
    'x-taskcluster-proxy-temp-clientid': CALL.clientId,
    'x-taskcluster-authorized-scopes': '["a","b:*"]',
  });
  expect(compatibilityHeaders({ ...CALL, scopes: undefined })).not.toHaveProperty('x-taskcluster-authorized-scopes');
});

it.each(['a\r\nset-cookie: x', 'a\0', 'ä', '\x7f', 'x'.repeat(4_097)])('leaves out what is no header: %j', (value) => {
  expect(Object.keys(compatibilityHeaders({ url: value, clientId: value, scopes: ['a'] }))).toEqual(['x-taskcluster-authorized-scopes']);
  expect(JSON.stringify(compatibilityHeaders({ ...CALL, scopes: [value] }))).not.toMatch(/[\r\n\0ä\x7f]|xxx/);
});
