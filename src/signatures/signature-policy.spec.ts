import { SIGNATURE_CODES } from './signature-error.js';
import { isCoveredByWarn, SIGNATURE_POLICIES, stricterOf } from './signature-policy.js';

describe('policies', () => {
  it('(59) the stricter of two wins, whoever asks for it', () => {
    for (const one of SIGNATURE_POLICIES) {
      for (const other of SIGNATURE_POLICIES) {
        expect(stricterOf(one, other)).toBe(stricterOf(other, one));
        expect([one, other]).toContain(stricterOf(one, other));
      }
      expect(stricterOf(one, 'require')).toBe('require');
      expect(stricterOf(one, 'off')).toBe(one);
    }
  });

  it('(57, 58) warn never covers a changed definition, nor a check that failed', () => {
    expect(SIGNATURE_CODES.filter((code) => !isCoveredByWarn(code))).toEqual([
      'definition-mismatch',
      'signed-definition-not-normalized',
      'definition-reserved-env',
      'signature-check-error',
    ]);
  });
});
