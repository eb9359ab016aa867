/** Headers of an answer as the contract has them; one that is required is never left out. */
export type AnswerHeaders = Record<string, { description: string; required: boolean; schema: { type: 'string' } }>;

export function always(description: string): AnswerHeaders[string] {
  return { description, required: true, schema: { type: 'string' } };
}

export function sometimes(description: string): AnswerHeaders[string] {
  return { description, required: false, schema: { type: 'string' } };
}
