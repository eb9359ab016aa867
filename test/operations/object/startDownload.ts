import { BYTES, downloading, lentToRead, shownObject, textAt } from '../artifacts.js';
import { operation } from '../operation.js';

const accepting = (acceptDownloadMethods: object) => ({ body: { acceptDownloadMethods } });

export default operation({
  ...downloading,
  arrange: async (world) => ({ ...(await shownObject(world)), ...accepting({ getUrl: true, simple: true }) }),
  check: async ({ body }) => {
    expect(body).toEqual({ method: 'getUrl', url: expect.any(String), expires: expect.any(String), hashes: expect.any(Object) });
    expect(Object.keys(body.hashes).sort()).toEqual(['sha256', 'sha512']);
    expect(await textAt(body.url)).toBe(BYTES);
  },
  also: {
    'for who only knows GET, with what was lent for it': {
      call: async (call, world) => ({ ...accepting({ simple: true }), as: await lentToRead(call, world) }),
      check: async ({ body }) => {
        expect(body).toEqual({ method: 'simple', url: expect.any(String) });
        expect(await textAt(body.url)).toBe(BYTES);
      },
    },
  },
  refusals: {
    ...downloading.refusals,
    'no way that is known': { call: accepting({ getUrl: false }), code: 'NoMatchingMethod', says: /accept simple, or getUrl/ },
    'a way that nobody knows': {
      call: accepting({ ftp: true }),
      code: 'InputValidationError',
      says: /acceptDownloadMethods\.ftp is not a field/,
    },
  },
});
