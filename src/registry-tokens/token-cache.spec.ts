import { describe, expect, it } from '@jest/globals';
import { type Token, TokenCache } from './token-cache.js';

const KEY = { text: 'a', origin: 'https://registry.example' };
const PULL = ['repository:a:pull'];
const token = (text: string, usedUntil = 100, covers = PULL): Token => ({ text, usedUntil, covers, asked: covers });

describe('the tokens of a session', () => {
  it('56: one at its end is there no more, and one for once is not kept', () => {
    let now = 0;
    const cache = new TokenCache(9, () => now);
    cache.keep(KEY, token('one'));
    cache.keep({ ...KEY, text: 'b' }, token('for once', 0));
    now = 99;
    expect([cache.tokenFor(KEY, PULL)?.text, cache.tokenFor({ ...KEY, text: 'b' }, PULL)]).toEqual(['one', undefined]);
    now = 100;
    expect(cache.tokenFor(KEY, PULL)).toBeUndefined();
  });

  it('58: are bounded: the one that was used longest ago goes', () => {
    const cache = new TokenCache(3, () => 0);
    const key = (text: string) => ({ ...KEY, text });
    for (const text of ['a', 'b', 'c']) cache.keep(key(text), token(text));
    cache.tokenFor(key('a'), PULL);
    cache.keep(key('d'), token('d'));
    expect(['a', 'b', 'c', 'd'].map((text) => cache.tokenFor(key(text), PULL)?.text)).toEqual(['a', undefined, 'c', 'd']);
    for (let count = 0; count < 1_000; count++) cache.learnAsks(key(`${count}`), PULL, PULL);
    expect(cache.size).toBe(3);
  });

  it('59: one is dropped, but not what has taken its place', () => {
    const cache = new TokenCache(3, () => 0);
    const [old, next] = [token('old'), token('next')];
    cache.keep(KEY, old);
    cache.keep(KEY, next);
    cache.drop(KEY, old);
    expect(cache.tokenFor(KEY, PULL)).toBe(next);
    cache.drop(KEY, next);
    expect(cache.tokenFor(KEY, PULL)).toBeUndefined();
  });

  it('32: those of one registry are dropped together', () => {
    const cache = new TokenCache(3, () => 0);
    const other = { text: 'b', origin: 'https://other.example' };
    cache.keep(KEY, token('one'));
    cache.keep(other, token('other'));
    cache.dropAllOf(KEY.origin);
    expect([cache.tokenFor(KEY, PULL), cache.tokenFor(other, PULL)?.text]).toEqual([undefined, 'other']);
  });

  it('11: after it is wiped nothing is kept', () => {
    const cache = new TokenCache(3, () => 0);
    cache.keep(KEY, token('one'));
    cache.wipe();
    cache.keep(KEY, token('late'));
    cache.learnOpen(KEY);
    expect([cache.size, cache.isOpen(KEY)]).toEqual([0, false]);
  });

  it('one that covers more will do, and one that covers less will not', () => {
    const cache = new TokenCache(3, () => 0);
    cache.keep(KEY, token('wide', 100, ['repository:a:pull,push']));
    expect([cache.tokenFor(KEY, PULL)?.text, cache.tokenFor(KEY, ['repository:a:delete'])]).toEqual(['wide', undefined]);
  });
});
