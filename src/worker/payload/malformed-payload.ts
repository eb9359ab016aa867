/** Of how many problems a message tells: who mends these may mend the others, and a payload of 100 steps has room for thousands. */
const TOLD = 5;

/** What is wrong with a payload: the path of a member, and what it must be. Names only, and no values. */
export type PayloadProblem = string;

/** A payload that the worker does not run: `malformed-payload`, and no retry, for it would be the same again. */
export class MalformedPayload extends Error {
  readonly problems: readonly PayloadProblem[];

  constructor(problems: readonly PayloadProblem[]) {
    const told = problems.slice(0, TOLD);
    const more = problems.length - told.length;
    super(more > 0 ? `${told.join('; ')}; and ${more} more` : told.join('; '));
    this.problems = told;
  }
}
