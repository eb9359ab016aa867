import fc from 'fast-check';
import { MalformedPayload } from './malformed-payload.js';
import { parsePayload } from './parse-payload.js';
import { allowedSecrets } from './secrets.js';

const payloadOf = (...secrets: object[][]) =>
  parsePayload({
    payload: { version: 1, maxRunTime: 60, steps: secrets.map((wanted, index) => ({ name: `s${index}`, script: 'x', secrets: wanted })) },
  });
const DEPLOY = { name: 'deploy/key', file: 'key' };
const NPM = { name: 'npm', env: 'NPM_TOKEN' };

it('are those that steps ask for, each once, with a scope for each', () => {
  const payload = payloadOf([DEPLOY, NPM], [], [{ ...DEPLOY, env: 'KEY' }]);
  expect(allowedSecrets(payload, ['secrets:get:deploy/*', 'secrets:get:npm'])).toEqual(['deploy/key', 'npm']);
  expect(allowedSecrets(payloadOf([]), undefined)).toEqual([]);
});

it.each([[[]], [['secrets:get:npm2', 'secrets:get:np', 'secrets:set:npm', 'secrets:get:NPM']], [['assume:releaser']]])(
  'by the scopes %j the secret npm is refused, and the message says which scope lacks',
  (scopes: string[]) => {
    const ask = () => allowedSecrets(payloadOf([], [DEPLOY, NPM]), ['secrets:get:deploy/key', ...scopes]);
    const refusal = 'payload.steps[1].secrets[1].name needs the scope secrets:get:npm among the scopes of the definition';
    expect(ask).toThrow(new MalformedPayload([refusal]));
  },
);

it.each([undefined, null, 'secrets:get:npm', [null, ['*'], {}], { 0: '*' }])('scopes that are none (%j) are of no use', (scopes) => {
  expect(() => allowedSecrets(payloadOf([NPM]), scopes)).toThrow(MalformedPayload);
});

it('none is got without its scope', () => {
  const name = fc.stringMatching(/^[a-c][a-c/]{0,3}$/);
  const scope = fc.tuple(
    fc.constantFrom('secrets:get:', 'secrets:', 'x:'),
    fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 3 }),
    fc.constantFrom('', '*'),
  );
  fc.assert(
    fc.property(
      fc.array(name, { maxLength: 3 }),
      fc.array(
        scope.map((parts) => parts.join('')),
        { maxLength: 4 },
      ),
      (names, scopes) => {
        const mayHave = (wanted: string) =>
          scopes.some(
            (held) => held === `secrets:get:${wanted}` || (held.endsWith('*') && `secrets:get:${wanted}`.startsWith(held.slice(0, -1))),
          );
        const payload = payloadOf(names.map((wanted, index) => ({ name: wanted, env: `S${index}` })));
        let got: readonly string[] | undefined;
        try {
          got = allowedSecrets(payload, scopes);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedPayload);
        }
        expect(got).toEqual(names.every(mayHave) ? [...new Set(names)] : undefined);
      },
    ),
  );
});
