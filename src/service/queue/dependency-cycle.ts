/**
 * Tasks, by index, each of which depends on the next and the last on the first; undefined if there are none. A task that depends
 * on itself is no such circle: it waits for scheduleTask. Those whose dependencies are all taken away are taken away, until none
 * is left or each waits for another; then a walk from one to what it waits for must come back to where it was. O(tasks + edges).
 */
export function findCycle(tasks: readonly { taskId: string; dependencies: readonly string[] }[]): number[] | undefined {
  const indexes = new Map(tasks.map(({ taskId }, index) => [taskId, index]));
  const required = tasks.map(({ dependencies }, index) =>
    dependencies.map((taskId) => indexes.get(taskId)).filter((other) => other !== undefined && other !== index),
  ) as number[][];
  const waiting = waitingIn(required);
  const first = waiting.indexOf(true);
  return first < 0 ? undefined : circleFrom(first, (index) => required[index]?.find((other) => waiting[other]) ?? first);
}

/** Which of them never come to an end. */
function waitingIn(required: readonly number[][]): boolean[] {
  const dependents: number[][] = required.map(() => []);
  for (const [index, others] of required.entries()) for (const other of others) dependents[other]?.push(index);
  const open = required.map((others) => others.length);
  const ended = [...required.keys()].filter((index) => open[index] === 0);
  for (const index of ended) {
    for (const dependent of dependents[index] ?? []) {
      open[dependent] = (open[dependent] ?? 0) - 1;
      if (open[dependent] === 0) ended.push(dependent);
    }
  }
  return open.map((count) => count > 0);
}

function circleFrom(first: number, next: (index: number) => number): number[] {
  const path = new Set<number>();
  let index = first;
  for (; !path.has(index); index = next(index)) path.add(index);
  const walked = [...path];
  return walked.slice(walked.indexOf(index));
}
