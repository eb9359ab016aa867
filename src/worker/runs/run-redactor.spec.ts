import { randomBytes } from 'node:crypto';
import { Redactor } from '../artifacts/redactor.js';
import { RunRedactor } from './run-redactor.js';

const took = (work: () => void) => {
  const began = performance.now();
  work();
  return performance.now() - began;
};

it('takes out secrets and tokens, also those that come while something is held back', () => {
  const always = new Redactor(['of the worker']);
  const redactor = new RunRedactor(always);
  redactor.addSecrets(['of the steps']);
  redactor.addToken('token-one');
  const parts = [redactor.push(Buffer.from('of the worker, of the steps, token-one, tok'))];
  redactor.addToken('token-two');
  parts.push(redactor.push(Buffer.from('en-two, token-')), redactor.push(Buffer.from('one, of the s')), redactor.end());
  expect(Buffer.concat(parts).toString()).toBe('[redacted], [redacted], [redacted], [redacted], [redacted], of the s');
  expect(redactor.push(Buffer.from('token-two')).toString() + redactor.end()).toBe('[redacted]');
});

it('the secrets of one run are not those of the next', () => {
  const always = new Redactor(['of the worker']);
  new RunRedactor(always).addSecrets(['of the steps']);
  const next = new RunRedactor(always);
  expect(Buffer.concat([next.push(Buffer.from('of the worker, of the steps')), next.end()]).toString()).toBe('[redacted], of the steps');
});

it('a run and its tokens do not prepare for the secrets again', () => {
  let always = new Redactor([]);
  const once = took(() => (always = new Redactor([randomBytes(24 * 1024).toString('base64')])));
  const again = took(() => {
    const redactor = new RunRedactor(always);
    for (let reclaim = 0; reclaim < 10; reclaim++) redactor.addToken(`token-of-reclaim-${reclaim}`);
    redactor.addToken('token-of-reclaim-1');
  });
  expect(again).toBeLessThan(once);
});
