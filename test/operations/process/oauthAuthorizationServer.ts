import { operation } from '../operation.js';
import { expectMetadata, kept, ofAnybody } from '../public-documents.js';

export default operation({
  arrange: () => ({}),
  check: ({ body, headers }) => {
    expect(headers).toMatchObject(ofAnybody);
    expectMetadata(body, 'http://localhost:0');
  },
  also: kept('/.well-known/oauth-authorization-server'),
});
