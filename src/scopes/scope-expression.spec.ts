import fc from 'fast-check';
import {
  isSatisfied,
  missingScopes,
  renderTemplate,
  type ScopeExpression,
  type ScopeTemplate,
  satisfyingScopes,
  templateParameters,
} from './scope-expression.js';
import { normalizeScopes } from './scope-set.js';

const CREATE_TASK: ScopeTemplate = {
  AllOf: [
    { for: 'scope', in: 'scopes', each: '<scope>' },
    { for: 'route', in: 'routes', each: 'queue:route:<route>' },
    'queue:create-task:project:<projectId>',
    'queue:scheduler-id:<schedulerId>',
    { AnyOf: [{ for: 'priority', in: 'priorities', each: 'queue:create-task:<priority>:<provisionerId>/<workerType>' }] },
  ],
};

const CREATED = {
  scopes: ['a:b'],
  routes: ['x.y'],
  projectId: 'none',
  schedulerId: 's',
  priorities: ['highest', 'very-high', 'high'],
  provisionerId: 'p',
  workerType: 'w',
};

const { expression } = fc.letrec<{ expression: ScopeExpression }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 3 },
    fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 3 }),
    fc.record({ AllOf: fc.array(tie('expression'), { maxLength: 3 }) }),
    fc.record({ AnyOf: fc.array(tie('expression'), { maxLength: 3 }) }),
  ),
}));
const held = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 3 }), { maxLength: 4 });

describe('templateParameters', () => {
  it('names what has to come from outside, once, in order', () => {
    const names = ['scopes', 'routes', 'projectId', 'schedulerId', 'priorities', 'provisionerId', 'workerType'];
    expect(templateParameters(CREATE_TASK)).toEqual(names);
  });

  it('includes the names after if, and those of both branches', () => {
    expect(templateParameters({ if: 'isPublic', then: 'a:<x>', else: { AllOf: ['b:<y>', 'c:<x>'] } })).toEqual(['isPublic', 'x', 'y']);
    expect(templateParameters({ AnyOf: [{ if: 'isPublic', then: 'a' }] })).toEqual(['isPublic']);
  });

  it('hides a loop variable only inside its loop', () => {
    expect(templateParameters({ AllOf: [{ for: 'x', in: 'x', each: '<x>:<y>' }] })).toEqual(['x', 'y']);
  });

  it('sees no placeholder in the parameter sign of roles', () => {
    expect(templateParameters('a:<..>:<>:<1>:<b c>')).toEqual([]);
  });
});

describe('renderTemplate', () => {
  it('renders what creating a task requires', () => {
    expect(renderTemplate(CREATE_TASK, CREATED)).toEqual({
      AllOf: [
        'a:b',
        'queue:route:x.y',
        'queue:create-task:project:none',
        'queue:scheduler-id:s',
        { AnyOf: ['queue:create-task:highest:p/w', 'queue:create-task:very-high:p/w', 'queue:create-task:high:p/w'] },
      ],
    });
  });

  it('inserts strings and numbers', () => {
    expect(renderTemplate('queue:resolve-task:<taskId>/<runId>', { taskId: 't', runId: 0 })).toBe('queue:resolve-task:t/0');
  });

  it('never reads a value as a template', () => {
    const values = { a: '<b>', b: '<a>', list: ['<b>', '$&', "$'"] };
    expect(renderTemplate('<a>:<b>', values)).toBe('<b>:<a>');
    expect(renderTemplate({ AllOf: [{ for: 'v', in: 'list', each: '<v>-' }] }, values)).toEqual({ AllOf: ['<b>-', '$&-', "$'-"] });
  });

  it.each<[ScopeTemplate, ScopeExpression]>([
    [{ AllOf: [{ if: 'yes', then: 'a' }, 'c'] }, { AllOf: ['a', 'c'] }],
    [{ AllOf: [{ if: 'no', then: 'a' }, 'c'] }, { AllOf: ['c'] }],
    [{ AnyOf: [{ if: 'no', then: 'a', else: 'b' }] }, { AnyOf: ['b'] }],
    [{ AnyOf: [{ if: 'absent', then: 'a' }] }, { AnyOf: [] }],
    [{ if: 'yes', then: 'a' }, 'a'],
    [{ if: 'no', then: 'a' }, { AllOf: [] }],
    [{ for: 'v', in: 'two', each: 'a:<v>' }, { AllOf: ['a:1', 'a:2'] }],
    [{ AnyOf: [{ for: 'v', in: 'none', each: '<v>' }] }, { AnyOf: [] }],
    [{ AllOf: [{ if: 'yes', then: { for: 'v', in: 'two', each: '<v>' } }] }, { AllOf: ['1', '2'] }],
  ])('renders %j as %j', (template, rendered) => {
    expect(renderTemplate(template, { yes: true, no: false, two: ['1', '2'], none: [] })).toEqual(rendered);
  });

  it.each<[ScopeTemplate, string]>([
    ['a:<absent>', "'absent' is missing"],
    ['a:<constructor>', "'constructor' is missing"],
    ['a:<list>', "'list' is neither a string nor a number"],
    ['a:<flag>', "'flag' is neither a string nor a number"],
    [{ for: 'v', in: 'absent', each: '<v>' }, "'absent' is missing"],
    [{ for: 'v', in: 'text', each: '<v>' }, "'text' is not a list"],
    [{ if: 'text', then: 'a' }, "'text' is not a boolean"],
  ])('refuses to render %j', (template, message) => {
    expect(() => renderTemplate(template, { list: ['x'], flag: true, text: 'false' })).toThrow(message);
  });
});

describe('isSatisfied', () => {
  it.each<[string[], ScopeExpression]>([
    [[], { AllOf: [] }],
    [['a*'], 'ab'],
    [['a*', 'c'], { AllOf: ['ab', 'c'] }],
    [['c'], { AnyOf: ['ab', 'c'] }],
    [['b', 'd'], { AllOf: [{ AnyOf: ['a', 'b'] }, { AnyOf: ['c', 'd'] }] }],
    [['a', 'c*', 'queue:*'], renderTemplate({ AllOf: [CREATE_TASK] }, { ...CREATED, scopes: ['cc'] })],
  ])('%j satisfies %j', (scopes, required) => expect(isSatisfied(scopes, required)).toBe(true));

  it.each<[string[], ScopeExpression]>([
    [['*'], { AnyOf: [] }],
    [[], 'a'],
    [['a'], { AllOf: ['a', 'b'] }],
    [['a'], { AnyOf: ['b', 'c'] }],
    [['queue:get-task:abc'], renderTemplate('queue:get-task:<taskId>', { taskId: '*' })],
    [['queue:*'], renderTemplate(CREATE_TASK, CREATED)],
  ])('%j does not satisfy %j', (scopes, required) => expect(isSatisfied(scopes, required)).toBe(false));

  it('is kept when more is held', () => {
    fc.assert(fc.property(held, held, expression, (a, b, required) => !isSatisfied(a, required) || isSatisfied([...b, ...a], required)));
  });
});

describe('satisfyingScopes', () => {
  it.each<[string[], ScopeExpression, string[] | undefined]>([
    [['a*', 'b'], 'ab', ['a*']],
    [['a*', 'b'], 'c', undefined],
    [['a*', 'b'], { AllOf: ['ab', 'b', 'ac'] }, ['a*', 'b', 'a*']],
    [['a*', 'b'], { AnyOf: [{ AllOf: ['b', 'c'] }, 'a', 'b'] }, ['a*']],
    [['a*', 'b'], { AllOf: [] }, []],
  ])('of %j for %j are %j', (scopes, required, used) => expect(satisfyingScopes(scopes, required)).toEqual(used));

  it('are there exactly when the expression is satisfied, are held, and are enough', () => {
    fc.assert(
      fc.property(held, expression, (scopes, required) => {
        const used = satisfyingScopes(normalizeScopes(scopes), required);
        expect(used !== undefined).toBe(isSatisfied(scopes, required));
        expect((used ?? []).filter((one) => !scopes.includes(one))).toEqual([]);
        if (used) expect(isSatisfied(used, required)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('missingScopes', () => {
  it.each<[string[], ScopeExpression, ScopeExpression | undefined]>([
    [['a'], 'a', undefined],
    [['a'], 'b', 'b'],
    [['a'], { AllOf: ['a', 'b', 'c'] }, { AllOf: ['b', 'c'] }],
    [['a', 'c'], { AllOf: ['a', 'b', 'c'] }, 'b'],
    [['a'], { AnyOf: ['b', 'c'] }, { AnyOf: ['b', 'c'] }],
    [['a'], { AnyOf: [{ AllOf: ['a', 'b'] }, 'c'] }, { AnyOf: ['b', 'c'] }],
    [['a'], { AnyOf: ['b', 'a'] }, undefined],
    [['a'], { AllOf: ['a', { AnyOf: ['b', 'c'] }] }, { AnyOf: ['b', 'c'] }],
    [['a'], { AnyOf: ['b'] }, 'b'],
    [['a'], { AnyOf: [] }, { AnyOf: [] }],
    [['a'], { AllOf: [] }, undefined],
  ])('holding %j of %j leaves %j', (scopes, required, missing) => expect(missingScopes(scopes, required)).toEqual(missing));

  it('is nothing exactly when the expression is satisfied', () => {
    fc.assert(
      fc.property(
        held,
        expression,
        (scopes, required) => (missingScopes(scopes, required) === undefined) === isSatisfied(scopes, required),
      ),
    );
  });

  it('is enough: whoever comes to hold it satisfies the expression, and it is not held already', () => {
    fc.assert(
      fc.property(held, held, expression, (scopes, more, required) => {
        const missing = missingScopes(scopes, required) ?? { AllOf: [] };
        expect(isSatisfied([...scopes, ...more], required)).toBe(isSatisfied([...scopes, ...more], missing));
      }),
      { numRuns: 2_000 },
    );
  });

  it('costs no product of what is held and what is required', () => {
    const many = (prefix: string) => Array.from({ length: 30_000 }, (_, n) => `${prefix}${n}`);
    const began = performance.now();
    expect(missingScopes(many('held:'), { AllOf: [...many('held:'), ...many('lacked:')] })).toEqual({ AllOf: many('lacked:') });
    expect(performance.now() - began).toBeLessThan(1_500);
  });
});
