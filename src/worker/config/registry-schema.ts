import { ADDRESS_KINDS } from '../../registry-tokens/addresses.js';

const ORIGIN = { type: 'string', pattern: '^https?://', maxLength: 2_048 };
const REPOSITORIES = { type: 'string', pattern: '^[a-z0-9._/-]{0,255}$' };
const PREFIX = { type: 'string', pattern: '^(?:[a-z0-9](?:[a-z0-9._/-]*[a-z0-9])?)?$', maxLength: 255 };
const FILE = { type: 'string', minLength: 1 };

const object = (properties: object, required: readonly string[], more: object = {}) => ({
  ...{ type: 'object', properties, required, additionalProperties: false },
  ...more,
});
const list = (items: object, description: string) => ({ type: 'array', maxItems: 100, items, default: [], description });

const PASSWORD = object(
  {
    username: { type: 'string', pattern: '^[^:\\u0000-\\u001f\\u007f]{1,1024}$' },
    password: { type: 'string', minLength: 1 },
    passwordFile: FILE,
  },
  ['username'],
  { oneOf: [{ required: ['password'] }, { required: ['passwordFile'] }], title: 'username with one of password, passwordFile' },
);
const IDENTITY = object({ identityTokenFile: FILE }, ['identityTokenFile'], { title: 'identityTokenFile' });
const ONE = [{ enum: ['run', 'none'], title: '"run", "none"' }, PASSWORD, IDENTITY];
const EACH = {
  type: 'array',
  minItems: 1,
  maxItems: 100,
  items: object({ prefix: PREFIX, credentials: { oneOf: ONE } }, ['prefix', 'credentials']),
  title: 'a list of prefix with credentials',
};

/** One registry that steps reach through their proxy. */
export const REGISTRY = object(
  {
    name: {
      type: 'string',
      minLength: 1,
      maxLength: 255,
      description: 'The host, and a port if need be, by which steps know it; that of its origin unless given',
    },
    origin: { ...ORIGIN, description: 'Where it is: https://registry.example.com' },
    credentials: {
      oneOf: [...ONE, EACH],
      default: 'none',
      description:
        'As whom it is asked: `"run"`, the run itself, if it believes the token service of rootUrl; `"none"`; `username` with `password` or `passwordFile`; `identityTokenFile`; or a list of `prefix` (of repositories) with `credentials`',
    },
    realm: {
      ...ORIGIN,
      description: 'The URL of its token server; with "run" that of rootUrl. Absent: what it says itself, at the same origin',
    },
    service: { type: 'string', minLength: 1, maxLength: 255, description: 'What it calls itself before its token server' },
    trustedRealms: list(ORIGIN, 'Origins of token servers beside its own that it, and no other registry, may send credentials to'),
    rewrites: {
      type: 'array',
      maxItems: 100,
      items: object({ requested: REPOSITORIES, challenged: REPOSITORIES }, ['requested', 'challenged']),
      description:
        'Where a gateway speaks of repositories by other names: the prefix that is asked for, and the one that it says (`requested`, `challenged`). Absent: it may call a repository by the end of its name; `[]`: never otherwise',
    },
    redirects: list(ORIGIN, 'Origins that are not public to which it may redirect who reads'),
    addresses: {
      type: 'array',
      uniqueItems: true,
      items: { enum: [...ADDRESS_KINDS] },
      description:
        'Which addresses its host may have: public, private, loopback, link-local, special. Public and private unless given, or the one it is named by',
    },
    widen: { type: 'boolean', default: false, description: 'Whether who reads gets tokens to push, too: one fewer for a copy' },
    ca: { ...FILE, description: 'A file of certificates (PEM) that are trusted for this registry alone' },
  },
  ['origin'],
);
