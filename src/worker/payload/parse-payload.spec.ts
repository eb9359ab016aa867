import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { MalformedPayload } from './malformed-payload.js';
import { parsePayload } from './parse-payload.js';
import type { Payload } from './payload.js';
import { PAYLOAD_SCHEMA } from './payload-schema.js';

const parse = (payload: unknown) => parsePayload({ payload });
const MINIMAL = { version: 1, steps: [{ name: 'a', command: ['true'] }], maxRunTime: 60 };
/** Of payloads with it only the first problem is looked for. */
const LONG = { name: 'long', script: 'x'.repeat(20_000) };
const stepWith = (over: object) => ({ ...MINIMAL, steps: [{ name: 'a', command: ['true'], ...over }] });
const artifactWith = (over: object) => ({ ...MINIMAL, artifacts: [{ name: 'public/a', path: 'a', ...over }] });

function messageOf(payload: unknown): string {
  try {
    parse(payload);
  } catch (error) {
    expect(error).toBeInstanceOf(MalformedPayload);
    return (error as Error).message;
  }
  throw new Error('it was taken');
}

it('fills in all defaults', () => {
  expect(parse(MINIMAL)).toEqual({
    version: 1,
    steps: [
      {
        ...{ name: 'a', command: ['true'], env: {}, onError: 'stopAndFail', when: { status: 'success', all: [] } },
        ...{ results: [], workspace: 'rw', network: 'none', proxyUrl: false, secrets: [] },
      },
    ],
    artifacts: [],
    maxRunTime: 60,
    env: {},
    features: { private: false, credentials: false },
  } satisfies Payload);
  expect(
    parse(stepWith({ when: { status: 'always' }, results: ['x', { name: 'y' }, { name: 'z', type: 'binary' }] })).steps[0],
  ).toMatchObject({
    when: { status: 'always', all: [] },
    results: [
      { name: 'x', type: 'string' },
      { name: 'y', type: 'string' },
      { name: 'z', type: 'binary' },
    ],
  });
  expect(parse(artifactWith({ path: '/workspace//dist/./x/../a.tar' })).artifacts).toEqual([
    { name: 'public/a', path: 'dist/a.tar', type: 'file', optional: false },
  ]);
});

it('shares nothing with the definition, and cannot be changed', () => {
  const payload = structuredClone(MINIMAL);
  const parsed = parse(payload);
  payload.steps[0]!.command[0] = 'false';
  expect(parsed.steps[0]?.command).toEqual(['true']);
  expect(payload).not.toHaveProperty('env');
  for (const part of [parsed, parsed.steps, parsed.steps[0], parsed.steps[0]?.env, parsed.env, parsed.features])
    expect(Object.isFrozen(part)).toBe(true);
});

it.each(['/tekton', '/tekton/home/../results', '//tekton//run', '/./tekton/', '/workspace/../tekton/run', '/x/../tekton'])(
  '14: an artifact cannot be taken from %s',
  (path) => {
    expect(messageOf(artifactWith({ path }))).toBe(
      "payload.artifacts[0].path is under /tekton, which is the worker's; write to /workspace and name that",
    );
  },
);

it.each([
  ['../x', /leads out of the workspace/],
  ['a/../../x', /leads out/],
  ['/../tekton', /leads out/],
  ['/etc/passwd', /must be below the workspace/],
  ['/workspacex/a', /must be below/],
  ['/', /must be below/],
  ['/workspace', /is the workspace itself/],
  ['.', /is the workspace itself/],
  ['a/..', /is the workspace itself/],
  ['', /must not have fewer than 1 char/],
  ['a\0b', /must be a path/],
])('14: nor from %j', (path, why) => {
  expect(messageOf(artifactWith({ path }))).toMatch(why);
});

it('14: nor from what is too long', () => {
  expect(messageOf(artifactWith({ path: 'a/'.repeat(2049) }))).toMatch(/path must not have more than 4096 char/);
  expect(messageOf(artifactWith({ path: `a/${'é'.repeat(128)}` }))).toMatch(/a name of more than 255 bytes/);
});

it.each(['/tekton/run/0', '../run', 'a/b', '.', '..', '.hidden', '', 'a\0', '__proto__'])(
  '14: a secret cannot be put in the file %j',
  (file) => {
    expect(messageOf(stepWith({ secrets: [{ name: 's', file }] }))).toMatch(
      /^payload\.steps\[0\]\.secrets\[0\]\.file must be a plain file name/,
    );
  },
);

it.each(['0', '1', '42', '', 'A', 'a_b', 'a/b', '..', '.', '-a', 'a-', 'a.b', 'a\n', 'é', 'a'.repeat(64), '__proto__'])(
  '15: a step cannot be named %j',
  (name) => {
    expect(messageOf(stepWith({ name }))).toMatch(/^payload\.steps\[0\]\.name must be a DNS label/);
  },
);

it('15: names of steps are DNS labels, and each is of one step', () => {
  const named = (...names: string[]) => ({ ...MINIMAL, steps: names.map((name) => ({ name, command: ['true'] })) });
  expect(parse(named('a', '0a', 'a-0', 'a'.repeat(63), '1-1')).steps).toHaveLength(5);
  expect(messageOf(named('a', 'b', 'a'))).toBe('payload.steps[2].name must not be that of an earlier step');
});

it.each<[string, unknown, RegExp]>([
  ['nothing', undefined, /^payload must be there$/],
  ['no object', [], /^payload must be an object$/],
  ['a payload of another worker', { command: ['true'], image: 'x' }, /^payload\.version must be 1: /],
  ['another version', { ...MINIMAL, version: 2 }, /^payload\.version must be 1: /],
  ['a member that is not there', { version: 1, steps: MINIMAL.steps }, /^payload must have the member maxRunTime$/],
  [
    'a member that is misspelt',
    stepWith({ onErorr: 'continue' }),
    /^payload\.steps\[0\] has no member onErorr; it may have name, .*onError/,
  ],
  ['no steps', { ...MINIMAL, steps: [] }, /^payload\.steps must not have fewer than 1 items$/],
  [
    'too many',
    { ...MINIMAL, steps: Array.from({ length: 101 }, (_, i) => ({ name: `s${i}`, command: ['x'] })) },
    /not have more than 100 items/,
  ],
  ['a time-out in words', stepWith({ timeout: '5m' }), /^payload\.steps\[0\]\.timeout must be integer$/],
  ['a time-out of 0', stepWith({ timeout: 0 }), /timeout must be >= 1$/],
  ['a run for ever', { ...MINIMAL, maxRunTime: 1e9 }, /maxRunTime must be <= 432000$/],
  [
    'a rule that is not there',
    stepWith({ onError: 'ignore' }),
    /onError must be stopAndFail, continue, continueAndFail or stopAndSucceed$/,
  ],
  ['a command and a script', stepWith({ script: 'x' }), /^payload\.steps\[0\] must have either a command or a script$/],
  ['neither', { ...MINIMAL, steps: [{ name: 'a' }] }, /^payload\.steps\[0\] must have either a command or a script$/],
  ['an empty command', stepWith({ command: [] }), /command must not have fewer than 1 items/],
  ['NUL in a word', stepWith({ command: ['a\0'] }), /^payload\.steps\[0\]\.command\[0\] must be a text .* without NUL/],
  ['a long word', stepWith({ command: ['a'.repeat(32_001)] }), /command\[0\] must not have more than 32000 characters/],
  ['a secret for nothing', stepWith({ secrets: [{ name: 's' }] }), /secrets\[0\] must have env, file or both/],
  [
    'a secret twice in a file',
    stepWith({ secrets: Array(2).fill({ name: 's', file: 'f' }) }),
    /secrets\[1\]\.file must not be that of an earlier/,
  ],
  [
    'a secret twice in a variable',
    stepWith({ secrets: Array(2).fill({ name: 's', env: 'F' }) }),
    /secrets\[1\]\.env must not be that of an/,
  ],
  [
    'a secret in a set variable',
    stepWith({ env: { F: '' }, secrets: [{ name: 's', env: 'F' }] }),
    /secrets\[0\]\.env is set by the step's env, too/,
  ],
  [
    'a result twice',
    stepWith({ results: ['x', { name: 'x', type: 'array' }] }),
    /^payload\.steps\[0\]\.results\[1\] must not have the name/,
  ],
  ['a result named __proto__', stepWith({ results: ['__proto__'] }), /results\[0\] must be a name of a result/],
  ['a result with a path', stepWith({ results: [{ name: '../x' }] }), /results\[0\]\.name must be a letter/],
  ['an artifact twice', { ...MINIMAL, artifacts: Array(2).fill({ name: 'x', path: 'x' }) }, /artifacts\[1\]\.name must not be that of/],
  [
    'an artifact that is past dates',
    artifactWith({ expires: '2030-02-30T00:00:00Z' }),
    /artifacts\[0\]\.expires must be a time as RFC 3339/,
  ],
  ['an artifact without ASCII', artifactWith({ name: 'é' }), /artifacts\[0\]\.name must be a name of an artifact/],
  ["a variable that is the worker's", { ...MINIMAL, env: { TASK_ID: 'x' } }, /^payload\.env: a task may not set "TASK_ID"; set it inside/],
  ['a reserved one', stepWith({ env: { LD_PRELOAD: 'hunter2' } }), /^payload\.steps\[0\]\.env: a task may not set "LD_PRELOAD"/],
  [
    'a reserved one for a secret',
    stepWith({ secrets: [{ name: 's', env: 'BASH_ENV' }] }),
    /^payload\.steps\[0\]\.secrets\[0\]\.env: a task may not/,
  ],
  ['a variable without a name', { ...MINIMAL, env: { '': 'x' } }, /^payload\.env\."" must be a name of a variable/],
  [
    'a variable that the first shell of a sandbox would drop',
    { ...MINIMAL, env: { 'A.B': 'x' } },
    /^payload\.env\."?A\.B"? must be a name of a variable/,
  ],
  ['a variable that is a number', { ...MINIMAL, env: { A: 1 } }, /^payload\.env\.A must be string$/],
  [
    'a reference ahead',
    stepWith({ command: ['$(steps.b.results.x)'] }),
    /^payload\.steps\[0\]\.command\[0\] has .*no step before this one/,
  ],
  [
    'a reference to itself',
    stepWith({ env: { A: '$(steps.a.results.x)' }, results: ['x'] }),
    /^payload\.steps\[0\]\.env\.A has .*no step before/,
  ],
  [
    'a reference in a script',
    { ...MINIMAL, steps: [{ name: 'a', script: 'x $(steps.' }] },
    /^payload\.steps\[0\]\.script has .*set a variable to it/,
  ],
  ['a reference for all steps', { ...MINIMAL, env: { A: '$(steps.a.results.x)' } }, /^payload\.env\.A has .*set it in the env of a step$/],
  ['isolation that is not required', { ...MINIMAL, features: { isolation: 'none' } }, /^payload\.features\.isolation must be "required"$/],
  ['__proto__', JSON.parse('{"version": 1, "env": {"__proto__": "x"}}'), /^payload\.env a member named __proto__ is not safe/],
  ['a lone surrogate', stepWith({ command: ['\ud800'] }), /^payload\.steps\[0\]\.command\[0\] a lone surrogate/],
])('%s is refused, with the path of the member and the fix', (_, payload, why) => {
  const message = messageOf(payload);
  expect(message).toMatch(why);
  expect(message).not.toMatch(/hunter2/);
  const { steps } = (payload ?? {}) as { steps?: object[] };
  if (Array.isArray(steps) && steps.length > 0) expect(messageOf({ ...(payload as object), steps: [...steps, LONG] })).toMatch(/^payload/);
});

it('tells a few of the problems, and how many more there are', () => {
  expect(messageOf({ ...MINIMAL, steps: Array(90).fill({ name: 'A', command: [1] }) }).split('; ')).toEqual([
    expect.stringMatching(/^payload\.steps\[0\]\.name must be/),
    'payload.steps[0].command[0] must be string',
    expect.stringMatching(/^payload\.steps\[1\]\.name must be/),
    'payload.steps[1].command[0] must be string',
    expect.stringMatching(/^payload\.steps\[2\]\.name must be/),
    'and 175 more',
  ]);
});

it('what is made to be slow is refused soon, and told in few words', () => {
  const many = (length: number, item: unknown) => Array.from({ length }, () => item);
  const members = Object.fromEntries(many(40_000, '').map((_, index) => [`m${index}`, index]));
  let deep: unknown = 1;
  for (let i = 0; i < 5000; i++) deep = [deep];
  const hostile: unknown[] = [
    { ...MINIMAL, ...members },
    { ...MINIMAL, env: members },
    { ...MINIMAL, steps: many(20_000, {}) },
    { ...MINIMAL, steps: many(100_000, 1) },
    { ...MINIMAL, steps: deep },
    stepWith({ command: many(30, '$(steps.'.repeat(4000)) }),
    stepWith({ name: 'a-'.repeat(400_000) }),
    artifactWith({ path: '../'.repeat(1300) }),
    stepWith({ [`x${'y'.repeat(700_000)}`]: 1 }),
  ];
  const start = performance.now();
  for (const payload of hostile) expect(messageOf(payload).length).toBeLessThan(3000);
  expect(performance.now() - start).toBeLessThan(3000);
});

describe('whatever is in a payload', () => {
  /** Payloads that are nearly right: one with all there is, in which one value is another one. */
  const full = JSON.parse(
    JSON.stringify({
      ...artifactWith({ type: 'directory', contentType: 'a/b', expires: '2030-01-01T00:00:00Z', optional: true }),
      ...{ env: { A: 'x' }, features: { isolation: 'required', private: true } },
      steps: [
        { name: 'a', script: 'x', results: ['x', { name: 'y', type: 'array' }], secrets: [{ name: 's', env: 'S', file: 's' }] },
        {
          ...{ name: 'b', command: ['$(steps.a.results.y[*])'], env: { B: '$(steps.a.results.x)' }, timeout: 5, onError: 'continue' },
          ...{ when: { status: 'always', all: [{ input: 'x', operator: 'in', values: ['x'] }] }, workspace: 'ro', network: 'proxy' },
        },
      ],
    }),
  );
  const placesIn = (value: unknown, path: (string | number)[] = []): (string | number)[][] => [
    path,
    ...(typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([name, member]) => placesIn(member, [...path, Array.isArray(value) ? Number(name) : name]))
      : []),
  ];
  const changed = (value: unknown, [first, ...rest]: (string | number)[], to: unknown): unknown => {
    if (first === undefined) return to;
    const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
    Object.assign(copy, { [first]: changed((value as never)[first], rest, to) });
    return copy;
  };
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.stringMatching(/^(\$\(steps\.|a|\.results\.|x|\)|\/tekton|\.\.|\/|\[\*\]|__proto__)*$/),
  );
  const nearly = fc
    .tuple(
      fc.constantFrom(...placesIn(full)),
      fc.oneof(text, fc.jsonValue(), fc.anything({ withBigInt: true, withDate: true, withMap: true })),
    )
    .map(([path, to]) => changed(full, path, to));

  const isFrozen = (value: unknown): boolean =>
    typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen));

  it('is parsed and frozen, or a MalformedPayload', () => {
    expect(isFrozen(parse(full))).toBe(true);
    fc.assert(
      fc.property(fc.oneof(nearly, nearly, fc.anything(), fc.jsonValue()), (payload) => {
        try {
          expect(isFrozen(parse(payload))).toBe(true);
        } catch (error) {
          if (!(error instanceof MalformedPayload)) throw error;
          expect(error.message).toMatch(/^payload/);
        }
      }),
      { numRuns: 1500 },
    );
    expect(({} as { version?: unknown }).version).toBeUndefined();
  });

  it('is the same when it is parsed again', () => {
    expect(parse(parse(full))).toEqual(parse(full));
  });
});

it('takes the example of the documentation', () => {
  const [, example = ''] = /```json\n([^`]*)```/.exec(readFileSync('docs/payload.md', 'utf8')) ?? [];
  const { steps, artifacts } = parse(JSON.parse(example));
  expect(steps.map(({ name }) => name)).toEqual(['build', 'test', 'report']);
  expect(artifacts).toHaveLength(2);
});

it('docs/payload.md has every member, and its default', () => {
  const rows = readFileSync('docs/payload.md', 'utf8').match(/^\| `.*$/gm) ?? [];
  const { properties, $defs } = PAYLOAD_SCHEMA;
  const members = { ...properties, ...$defs.step.properties, ...$defs.artifact.properties, ...$defs.secret.properties };
  for (const [name, schema] of Object.entries(members)) {
    const row = rows.find((line) => new RegExp(`^\\| (\`[\\w.]+\`, )*\`${name}\``).test(line));
    expect([name, row]).toEqual([name, expect.any(String)]);
    const preset = 'default' in schema ? schema.default : undefined;
    if (preset !== undefined && typeof preset !== 'object') expect(row).toContain(`| \`${preset}\` |`);
  }
});

describe('the schema', () => {
  const objects: Record<string, unknown>[] = [];
  (function collect(value: unknown): void {
    if (typeof value !== 'object' || value === null) return;
    if ('type' in value || 'enum' in value) objects.push(value as Record<string, unknown>);
    for (const member of Object.values(value)) collect(member);
  })(PAYLOAD_SCHEMA);

  it('has bounds on all that it takes, and no member that it does not name', () => {
    expect(objects.length).toBeGreaterThan(35);
    const typed = (type: string) => objects.filter((schema) => [schema.type].flat().includes(type));
    for (const schema of typed('object')) expect(schema).toHaveProperty('additionalProperties');
    for (const schema of typed('object')) if (schema.additionalProperties !== false) expect(schema).toHaveProperty('maxProperties');
    for (const schema of typed('array')) expect(schema).toHaveProperty('maxItems');
    for (const schema of typed('integer')) expect(schema).toHaveProperty('maximum');
    for (const schema of typed('string')) expect(schema.maxLength ?? /\{[01],\d+\}/.exec(String(schema.pattern))).toBeTruthy();
  });

  it('is what docs/payload.schema.json has', () => {
    expect(JSON.parse(readFileSync('docs/payload.schema.json', 'utf8'))).toEqual(JSON.parse(JSON.stringify(PAYLOAD_SCHEMA)));
  });
});

it('a port of the proxy takes the proxy', () => {
  expect(parse(stepWith({ network: 'proxy', proxyUrl: true })).steps[0]).toMatchObject({ proxyUrl: true });
  for (const network of ['none', 'host']) {
    const payload = stepWith({ network, proxyUrl: true });
    expect(() => parse(payload)).toThrow(`payload.steps[0].proxyUrl needs the network proxy, and not ${network}; leave one out`);
  }
});
