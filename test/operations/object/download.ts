import type { Answer } from '../../support/api.js';
import { BYTES, downloading, lentToRead, shownObject, textAt } from '../artifacts.js';
import { operation } from '../operation.js';

async function leads({ status, headers }: Answer) {
  expect(status).toBe(303);
  expect(await textAt(headers.location ?? '')).toBe(BYTES);
}

export default operation({
  ...downloading,
  arrange: (world) => shownObject(world),
  check: leads,
  also: { 'with what was lent for it': { call: async (call, world) => ({ as: await lentToRead(call, world) }), check: leads } },
});
