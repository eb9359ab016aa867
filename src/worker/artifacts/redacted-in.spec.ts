import { redactedIn } from './redacted-in.js';
import { Redactor } from './redactor.js';

const SECRET = 'correct horse battery';

it('no text of a value has a secret in it, in any of its forms, and all else is as it was', () => {
  const base64 = Buffer.from(`user:${SECRET}`).toString('base64');
  const value = { a: [`x${SECRET}y`, 1, null, true], [SECRET]: { b: base64, c: 'nothing' } };
  const redacted = redactedIn(value, new Redactor([SECRET]));
  expect(redacted).toEqual({
    a: ['x[redacted]y', 1, null, true],
    '[redacted]': { b: expect.stringContaining('[redacted]'), c: 'nothing' },
  });
  expect(redactedIn(redacted, new Redactor(['another secret']))).toEqual(redacted);
});

it('a text does not end in the next one', () => {
  expect(redactedIn(['correct horse', ' battery'], new Redactor([SECRET]))).toEqual(['correct horse', ' battery']);
});
