import { ApiError } from './api-error.js';
import { accountOf, Quota } from './quota.js';

const STRANGERS = accountOf(undefined, false);
const quota = () => new Quota('places', { all: 10, client: 5, strangers: 2 });

function refusal(take: () => unknown): string | undefined {
  try {
    take();
  } catch (error) {
    expect(error).toMatchObject({ code: 'ServiceUnavailable', status: 503 });
    return (error as ApiError).message;
  }
}

it('gives so much in all, and less to one client, to strangers and to all runs together', () => {
  const places = quota();
  for (let n = 0; n < 5; n++) places.take(accountOf('a', false));
  expect(refusal(() => places.take('a'))).toContain('5 places of one client');
  places.take(STRANGERS, 2);
  expect(refusal(() => places.take(STRANGERS))).toContain('2 places of callers without credentials');
  expect(accountOf('run/1', true)).toBe(accountOf('run/2', true));
  places.take(accountOf('run/1', true), 3);
  expect(refusal(() => places.take(accountOf('run/2', true)))).toContain('More than 10 places');
  expect(refusal(() => places.take('b'))).toContain('More than 10 places');
});

it('gives what was given back, once', () => {
  const places = quota();
  const [one, other] = [places.take('a', 3), places.take('a', 2)];
  one();
  one();
  expect(refusal(() => places.take('a', 4))).toBeDefined();
  places.take('a', 3);
  expect(refusal(() => places.assertRoom('a'))).toBeDefined();
  other();
  places.assertRoom('a', 2);
  expect(refusal(() => places.assertRoom('a', 3))).toBeDefined();
});

it('remembers nobody who holds nothing', () => {
  const places = quota();
  for (let n = 0; n < 1_000; n++) places.take(`client-${n}`)();
  expect((places as unknown as { accounts: Map<string, number> }).accounts.size).toBe(0);
});
