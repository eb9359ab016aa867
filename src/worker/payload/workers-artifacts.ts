/**
 * Whether the worker itself leaves an artifact of that name in some run, public or private, or it is below one: what is there is read as
 * the worker's word, so nobody else may say it.
 */
export const isOfTheWorker = (name: string): boolean =>
  /^(public|private)\/(logs\/live(_backing)?\.log|run\.json|receipt\.json)(\/|$)/.test(name);
