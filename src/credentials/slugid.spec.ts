import { slugid } from './slugid.js';

describe('slugid', () => {
  const ids = Array.from({ length: 20_000 }, () => slugid()); // many times what is drawn at once

  it('is a version 4 UUID in base64url', () => {
    for (const id of ids) {
      const hex = Buffer.from(id, 'base64url').toString('hex');
      expect(id).toMatch(/^[A-Za-z0-9_-]{22}$/);
      expect(hex).toMatch(/^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
    }
  });

  it('never comes twice', () => {
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('leaves every other bit to chance', () => {
    const ones = Array.from({ length: 128 }, () => 0);
    for (const id of ids) {
      const bytes = Buffer.from(id, 'base64url');
      for (let bit = 0; bit < 128; bit += 1) ones[bit]! += (bytes[bit >> 3]! >> (7 - (bit & 7))) & 1;
    }
    const fixed = [48, 49, 50, 51, 64, 65];
    const share = ones.map((count) => count / ids.length).filter((_, bit) => !fixed.includes(bit));
    // 0.5 ± 0.035: ten standard deviations of 20 000 tosses
    expect(Math.min(...share)).toBeGreaterThan(0.465);
    expect(Math.max(...share)).toBeLessThan(0.535);
  });
});
