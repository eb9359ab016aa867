import { listed } from '../keys.js';
import { operation } from '../operation.js';
import { kept, ofAnybody } from '../public-documents.js';

export default operation({
  arrange: () => ({}),
  check: async ({ body, headers }, _, world) => {
    expect(headers).toMatchObject(ofAnybody);
    const published = (await listed(world)).filter(({ state }) => state !== 'compromised');
    expect(body.keys.map(({ kid }: { kid: string }) => kid)).toEqual(published.map(({ kid }) => kid));
  },
  also: kept('/.well-known/jwks.json'),
});
