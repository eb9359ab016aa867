import fc from 'fast-check';
import { referenceProblems } from './checks/reference-problems.js';
import type { Step } from './payload.js';
import { resolveStep, UnresolvedReference } from './references.js';

const stepOf = (over: Partial<Step>): Step => ({
  name: 'publish',
  env: {},
  onError: 'stopAndFail',
  when: { status: 'success', all: [] },
  results: [],
  workspace: 'rw',
  network: 'none',
  proxyUrl: false,
  secrets: [],
  ...over,
});

const RESULTS = new Map([
  ['build', { digest: 'abc', files: ['a', 'b c', ''], image: { name: 'web', 'the-tag': '1' }, none: [] as string[] }],
]);
const wordsOf = (...command: string[]) => resolveStep(stepOf({ command }), RESULTS).command;
const when = (...all: Step['when']['all']) => stepOf({ command: ['true'], when: { status: 'success', all } });

it('37: a result is put in words of the command, in variables and in conditions', () => {
  const { command, env, holds } = resolveStep(
    stepOf({
      command: ['echo', 'sha256:$(steps.build.results.digest)/$(steps.build.results.digest)'],
      env: { DIGEST: '$(steps.build.results.digest)', PLAIN: 'x' },
      when: {
        status: 'success',
        all: [{ input: '$(steps.build.results.digest)', operator: 'in', values: ['x', '$(steps.build.results.digest)'] }],
      },
    }),
    RESULTS,
  );
  expect({ command, env, holds }).toEqual({ command: ['echo', 'sha256:abc/abc'], env: { DIGEST: 'abc', PLAIN: 'x' }, holds: true });
});

it('37: what is in a result is text, references and dollars too', () => {
  const text = fc.stringMatching(/^(\$|\(|\)|steps\.a\.results\.x|\$\$\(|\$&|\$1| |é)*$/);
  fc.assert(
    fc.property(text, (value) => {
      const results = new Map([['a', { x: value, list: [value] }]]);
      const step = stepOf({ command: ['<$(steps.a.results.x)>', '$(steps.a.results.list[*])'], env: { X: '$(steps.a.results.x)' } });
      expect(resolveStep(step, results)).toEqual({ command: [`<${value}>`, value], env: { X: value }, holds: true });
    }),
  );
});

it('37: what is no reference stays as it is, and $$( is $(', () => {
  expect(wordsOf('$(date) $HOME $x $$ $(step.results.x) $( steps.a)', '$$(steps.build.results.digest)', '$$(date) $$$(', 'a)')).toEqual([
    '$(date) $HOME $x $$ $(step.results.x) $( steps.a)',
    '$(steps.build.results.digest)',
    '$(date) $$(',
    'a)',
  ]);
});

it('37: any text can be had by writing $$( for $(', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^(\$|\(|\)|steps\.|a|\$\()*$/), (text) => {
      expect(wordsOf(text.replaceAll('$(', () => '$$('))).toEqual([text]);
    }),
  );
});

it('37: a script is left alone, and references in it are refused with the fix', () => {
  const script = 'echo $(steps.build.results.digest) $(date)';
  expect(resolveStep(stepOf({ script }), RESULTS)).toEqual({ command: [], env: {}, holds: true });
  expect(referenceProblems(stepOf({ script }), new Map())).toEqual([
    { path: 'script', what: expect.stringMatching(/set a variable to it \(env\)/) },
  ]);
  expect(referenceProblems(stepOf({ script: 'echo $(date)' }), new Map())).toEqual([]);
});

it('38: an array as all of a word is several words; items and members are texts', () => {
  expect(wordsOf('ls', '$(steps.build.results.files[*])', 'end')).toEqual(['ls', 'a', 'b c', '', 'end']);
  expect(wordsOf('ls', '$(steps.build.results.none[*])')).toEqual(['ls']);
  expect(wordsOf('$(steps.build.results.files[1]):$(steps.build.results.image.the-tag)')).toEqual(['b c:1']);
});

it.each([
  ['x$(steps.build.results.files[*])', /\[\*\]\) stands for several words/],
  ['$(steps.build.results.files)', /is an array; name an item/],
  ['$(steps.build.results.image)', /is an object; name a member/],
  ['$(steps.build.results.image[*])', /is an object, no array/],
  ['$(steps.build.results.image[0])', /is an object; name a member/],
  ['$(steps.build.results.digest.length)', /is a text; name it as a whole/],
  ['$(steps.build.results.digest[0])', /is a text/],
  ['$(steps.build.results.files[3])', /has no 3/],
  ['$(steps.build.results.image.toString)', /has no "toString"/],
  ['$(steps.build.results.other)', /step build left no result other/],
  ['$(steps.build.results.toString)', /left no result toString/],
  ['$(steps.other.results.digest)', /step other left no result digest/],
  ['$(steps.build.digest)', /is no reference/],
  ['$(steps.build.results.digest', /is no reference/],
  ['$(steps.)', /is no reference/],
])('38: %s in a command is not resolved, and the message names step and place', (word, why) => {
  const resolve = () => wordsOf('echo', word);
  expect(resolve).toThrow(UnresolvedReference);
  expect(resolve).toThrow(/^step publish: command\[1\]: /);
  expect(resolve).toThrow(why);
});

it.each([
  ['env.FILES', stepOf({ command: ['true'], env: { FILES: '$(steps.build.results.files[*])' } })],
  ['when.all[0].input', when({ input: '$(steps.build.results.none[*])', operator: 'in', values: [''] })],
  [
    'when.all[1].values[0]',
    when({ input: 'a', operator: 'in', values: ['a'] }, { input: '', operator: 'in', values: ['$(steps.x.results.y)'] }),
  ],
])('38: nor in %s', (place, step) => {
  expect(() => resolveStep(step, RESULTS)).toThrow(`step publish: ${place}: `);
});

it('all of the conditions must hold, and where one does not the rest is not looked at', () => {
  const a = { input: 'a', values: ['a', 'b'] };
  expect(resolveStep(when({ ...a, operator: 'in' }, { ...a, input: 'c', operator: 'notin' }), RESULTS).holds).toBe(true);
  const unresolved = { input: '$(steps.x.results.y)', operator: 'in' as const, values: ['a'] };
  const step = { ...when({ ...a, operator: 'notin' }, unresolved), command: ['$(steps.x.results.y)'] };
  expect(resolveStep(step, RESULTS)).toEqual({ command: [], env: {}, holds: false });
});

it('what grows beyond what can be started, or has a NUL, is refused', () => {
  const results = new Map([['a', { x: 'x'.repeat(100_000), nul: 'a\0b', list: Array<string>(400_000).fill('') }]]);
  const resolve = (...command: string[]) => resolveStep(stepOf({ command }), results);
  expect(() => resolve('$(steps.a.results.x)'.repeat(11))).toThrow(/too long/);
  expect(() => resolve(...Array(11).fill('$(steps.a.results.x)'))).toThrow(/too long/);
  expect(() => resolve(...Array(3).fill('$(steps.a.results.list[*])'))).toThrow(/too long/);
  expect(() => resolve('$(steps.a.results.nul)')).toThrow(/NUL/);
  expect(resolve(...Array(9).fill('$(steps.a.results.x)')).command.join('')).toHaveLength(900_000);
  expect(() => resolve('$(steps.a.results.x)'.repeat(2))).toThrow(/command: .* more than 131071 bytes/);
  expect(() => resolve('$(steps.a.results.list[*])')).toThrow(/command: .* more than 8000 words/);
  const env = { X: '$(steps.a.results.x)$(steps.a.results.x)' };
  expect(() => resolveStep(stepOf({ command: ['true'], env }), results)).toThrow(/env\.X: .* more than 131071 bytes/);
});

it('never throws anything else, and takes no longer for texts that are made to', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^(\$|\(|\)|steps\.|build|\.|results\.|files|digest|\[\*\]|\[1\])*$/), (word) => {
      try {
        wordsOf(word);
      } catch (error) {
        expect(error).toBeInstanceOf(UnresolvedReference);
      }
    }),
  );
  expect(() => wordsOf('$(steps.'.repeat(100_000))).toThrow(UnresolvedReference);
});

const DECLARED = new Map([
  [
    'build',
    [
      { name: 'digest', type: 'string' },
      { name: 'files', type: 'array' },
      { name: 'image', type: 'object' },
      { name: 'bytes', type: 'binary' },
    ],
  ],
] as const);

it.each([
  ['$(steps.later.results.x)', /no step before this one is named later/],
  ['$(steps.build.results.other)', /step build declares no result other; add it to its results/],
  ['$(steps.build.results.files)', /is an array/],
  ['x$(steps.build.results.files[*])', /several words/],
  ['$(steps.build.results.bytes[0])', /is a text/],
  ['$(steps.build)', /write \$\(steps\.NAME\.results\.RESULT\)/],
])('before anything runs: %s is refused', (text, why) => {
  const step = stepOf({
    command: ['echo', text],
    env: { A: text },
    when: { status: 'success', all: [{ input: text, operator: 'in', values: [text] }] },
  });
  const problems = referenceProblems(step, DECLARED);
  expect(problems.map(({ path }) => path)).toEqual(['command[1]', 'env.A', 'when.all[0].input', 'when.all[0].values[0]']);
  for (const { what } of problems) expect(what).toMatch(why);
});

it('before anything runs: what can be resolved is taken, $(date) too', () => {
  const command = ['$(steps.build.results.files[*])', '$(date) $$(steps.x) $(steps.build.results.bytes)', '$(steps.build.results.image.a)'];
  expect(referenceProblems(stepOf({ command }), DECLARED)).toEqual([]);
  expect(referenceProblems(stepOf({ command: ['x'], env: { A: '$(steps.build.results.files[*])' } }), DECLARED)).toHaveLength(1);
});
