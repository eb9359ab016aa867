import { describedKey, publishedKids } from '../keys.js';
import { operation } from '../operation.js';

export default operation({
  arrange: () => ({}),
  scopes: () => [['auth:list-keys']],
  check: async ({ body }, _, world) => {
    for (const key of body.keys) {
      expect(key).toMatchObject(describedKey);
      expect(key.publicJwk).toMatchObject({ kid: key.kid, alg: key.alg });
    }
    const believed = body.keys.filter(({ state }: { state: string }) => state !== 'compromised');
    expect(believed.map(({ kid }: { kid: string }) => kid)).toEqual(await publishedKids(world));
    expect(JSON.stringify(body)).not.toMatch(/"(d|p|q|dp|dq|qi|sealed|privateJwk)":/);
  },
});
