import fc from 'fast-check';
import { rawJson, stringifyAnswer } from './raw-json.js';

it('writes what JSON.stringify writes, wherever the text stands', () => {
  fc.assert(
    fc.property(fc.object(), fc.array(fc.object()), (one, others) => {
      const given = (raw: (value: object) => unknown) => ({
        before: one,
        task: raw(one),
        list: others.map((task, id) => ({ id, task: raw(task), more: '"' })),
      });
      expect(stringifyAnswer(given((value) => rawJson(JSON.stringify(value))))).toBe(JSON.stringify(given((value) => value)));
    }),
  );
});

it('may be the whole answer, and changes no other', () => {
  expect(stringifyAnswer(rawJson('{"a":1e400,"$&":"$1"}'))).toBe('{"a":1e400,"$&":"$1"}');
  for (const value of [{ a: '"raw-json-0"' }, [], 'text', null, 1]) expect(stringifyAnswer(value)).toBe(JSON.stringify(value));
});

it('is the value to whoever else writes it', () => {
  expect(JSON.parse(JSON.stringify({ a: rawJson('{"b":[1]}') }))).toEqual({ a: { b: [1] } });
});

it('is itself again after an answer that cannot be written', () => {
  const refuses = {
    toJSON: () => {
      throw new Error('not I');
    },
  };
  expect(() => stringifyAnswer({ a: rawJson('{}'), refuses })).toThrow('not I');
  expect(JSON.stringify(rawJson('{"b":1}'))).toBe('{"b":1}');
});
