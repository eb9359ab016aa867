import { type Behaviour, readsBlob, startsUpload } from './behaviour.js';
import { challengeAs } from './challenges.js';

/* What a hostile registry, or whoever speaks for one, does to lead credentials elsewhere. `to` is an origin, or a whole URL where it says so. */

/** Its challenge names a realm elsewhere. `realm` is a URL. */
export const foreignRealm = (realm: string) => challengeAs((challenged) => ({ ...challenged, realm }));

/** Its own realm, which leads elsewhere. `to` is a URL. */
export const redirectingRealm = (to: string, status = 307): Behaviour => ({
  asked: ({ came, origin }) =>
    came.startsWith('/own-realm') ? { status, headers: { location: `${to}${new URL(came, origin).search}` }, body: '' } : undefined,
  ...challengeAs((challenged, { origin }) => ({ ...challenged, realm: `${origin}/own-realm` })),
});

/** What is read lies elsewhere, as it does where there is a CDN. Asked only for who may read it. */
export const redirectedBlobs = (to: string, status = 307): Behaviour => ({
  answered(answer, asked) {
    if (!readsBlob(asked) || answer.status !== 200) return;
    answer.status = status;
    answer.headers = { location: `${to}${asked.came}?signature=of-the-cdn` };
    answer.body = '';
  },
});

/** An upload that was begun is to be continued elsewhere. */
export const uploadsElsewhere = (to: string): Behaviour => ({
  answered(answer, asked) {
    const { location } = answer.headers;
    if (!startsUpload(asked) || typeof location !== 'string') return;
    const { pathname, search } = new URL(location, to);
    answer.headers.location = `${to}${pathname}${search}`;
  },
});

/** Absolute, as many registries have it, and at home. `host`: how it writes its own. */
export const absoluteLocations = (host: (origin: string) => string = (origin) => origin): Behaviour => ({
  answered({ headers }, { origin }) {
    const { location } = headers;
    if (typeof location === 'string' && location.startsWith('/')) headers.location = `${host(origin)}${location}`;
  },
});

/** There is more to read, elsewhere. */
export const pagesElsewhere = (to: string): Behaviour => ({
  answered(answer, { came }) {
    if (answer.status === 200 && /\/(tags\/list|_catalog)/.test(came))
      answer.headers.link = `<${to}${came.split('?')[0]}?n=1&last=a>; rel="next"`;
  },
});

/** Hands out a cookie, which is a credential, too. */
export const cookies = (cookie: string): Behaviour => ({
  answered({ headers }) {
    headers['set-cookie'] = `${cookie}; Path=/`;
  },
});
