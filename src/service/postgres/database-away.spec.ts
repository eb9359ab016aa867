import { DatabaseAway, isDatabaseAway } from './database-away.js';

const withCode = (code: string, more: object = {}) => Object.assign(new Error('x'), { code, ...more });

it.each([
  new DatabaseAway('too many wait'),
  new Error('Connection terminated unexpectedly'),
  new Error('Connection terminated due to connection timeout'),
  new Error('timeout exceeded when trying to connect'),
  new Error('Query read timeout'),
  new Error('Client has encountered a connection error and is not queryable'),
  ...['08006', '53300', '53100', '57P01', '57P03', '57014', '55P03', '25P03', '25006'].map((code) => withCode(code)),
  withCode('ECONNREFUSED', { syscall: 'connect' }),
  withCode('ENOENT', { syscall: 'connect' }),
  Object.assign(new AggregateError([], ''), { code: 'ECONNREFUSED' }),
])('is away: %s', (error) => {
  expect(isDatabaseAway(error)).toBe(true);
});

it.each([
  new Error('x'),
  withCode('23505'),
  withCode('42P01'),
  withCode('40001'),
  withCode('57'),
  withCode('ENOENT', { syscall: 'open' }),
  'timeout exceeded when trying to connect',
  undefined,
])('is there: %s', (error) => {
  expect(isDatabaseAway(error)).toBe(false);
});
