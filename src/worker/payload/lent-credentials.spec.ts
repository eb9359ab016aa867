import { mayHaveCredentials } from './lent-credentials.js';

const asking = (credentials: boolean) => ({ features: { private: false, credentials } });

it('takes the feature and the scope, as the definition has it', () => {
  for (const scopes of [['proxy:credentials'], ['a', 'proxy:*'], ['*']]) expect(mayHaveCredentials(asking(true), scopes)).toBe(true);
  expect(mayHaveCredentials(asking(false), ['proxy:credentials'])).toBe(false);
});

it.each([[[]], [undefined], ['proxy:credentials'], [['proxy:credential']], [['assume:all']], [[{ scope: 'proxy:credentials' }]]])(
  'refuses who asks without: %j',
  (scopes) => {
    expect(() => mayHaveCredentials(asking(true), scopes)).toThrow(
      'payload.features.credentials needs the scope proxy:credentials among the scopes of the definition',
    );
    expect(mayHaveCredentials(asking(false), scopes)).toBe(false);
  },
);
