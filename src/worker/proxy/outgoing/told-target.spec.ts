import { toldTarget } from './told-target.js';

it.each([
  ['GET', '/queue/v1/ping?bewit=s3cret#s3cret', '/queue/v1/ping'],
  ['GET', 'http://me:s3cret@a.test:8080/x?s3cret', 'http://a.test:8080/x'],
  ['GET', 'HTTP://A.test#s3cret', 'http://a.test/'],
  ['GET', 'http://me:s3cret@/x', '-'],
  ['GET', 'ftp://me:s3cret@a.test/', '-'],
  ['GET', 'me:s3cret@a.test', '-'],
  ['GET', '*', '-'],
  ['GET', undefined, '-'],
  ['GET', `/${'x'.repeat(2_000)}`, `/${'x'.repeat(999)}`],
  ['CONNECT', 'a.test:443', 'a.test:443'],
  ['CONNECT', '[::1]:443', '[::1]:443'],
  ['CONNECT', 'me:s3cret@a.test:443', '-'],
  ['CONNECT', 'http://a.test/?s3cret', '-'],
  ['CONNECT', 'a\n', '-'],
])('%s %s is told as %s', (method, target, told) => {
  expect(toldTarget(method, target)).toBe(told);
});
