import type { Step, WantedResult } from '../payload.js';
import { misuseOf, type Place, partsOf, type Reference } from '../reference.js';

/** Which results there can be: those that are declared by steps, by the step's name. */
export type Declared = ReadonlyMap<string, readonly WantedResult[]>;

export interface Problem {
  /** A member of the step: `command[1]`. */
  path: string;
  /** And the fix. */
  what: string;
}

/** What is wrong with a step's references before anything runs: `declared` is what the steps before it declare. */
export function referenceProblems(step: Step, declared: Declared): Problem[] {
  const problems = placesOf(step).flatMap((place) => placeProblems(place, declared));
  if (step.script?.includes('$(steps.')) {
    const what = 'has $(steps.…) in it, which is not replaced in scripts; set a variable to it (env), and use that';
    problems.push({ path: 'script', what });
  }
  return problems;
}

function placesOf({ command = [], env, when }: Step): Place[] {
  return [
    ...command.map((text, index) => ({ path: `command[${index}]`, text, isWord: true })),
    ...Object.entries(env).map(([name, text]) => ({ path: `env.${name}`, text, isWord: false })),
    ...when.all.flatMap(({ input, values }, index) => [
      { path: `when.all[${index}].input`, text: input, isWord: false },
      ...values.map((text, at) => ({ path: `when.all[${index}].values[${at}]`, text, isWord: false })),
    ]),
  ];
}

function placeProblems({ path, text, isWord }: Place, declared: Declared): Problem[] {
  const parts = partsOf(text);
  return parts.flatMap((part) => {
    if (typeof part === 'string') return [];
    const what = 'unreadable' in part ? unreadable(part.unreadable) : problemOf(part, declared, isWord && parts.length === 1);
    return what === undefined ? [] : [{ path, what }];
  });
}

const unreadable = (text: string) =>
  `has ${JSON.stringify(text)}, which is no reference; write $(steps.NAME.results.RESULT), or $$(steps.… for the text itself`;

function problemOf(reference: Reference, declared: Declared, isWholeWord: boolean): string | undefined {
  const { step, result, text } = reference;
  const results = declared.get(step);
  if (results === undefined) return `has ${text}, but no step before this one is named ${step}`;
  const wanted = results.find(({ name }) => name === result);
  if (wanted === undefined) return `has ${text}, but step ${step} declares no result ${result}; add it to its results`;
  const misuse = misuseOf(reference, wanted.type === 'binary' ? 'string' : wanted.type, isWholeWord);
  return misuse === undefined ? undefined : `has ${text}, which ${misuse}`;
}
