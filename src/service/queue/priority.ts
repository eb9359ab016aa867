/** From the highest to the lowest; a task's rank is its priority's place in this list, so that ranks sort ascending. */
export const PRIORITIES = ['highest', 'very-high', 'high', 'medium', 'low', 'very-low', 'lowest'] as const;

export type Priority = (typeof PRIORITIES)[number];

export function rankOf(priority: Priority): number {
  return PRIORITIES.indexOf(priority);
}

export function priorityOf(rank: number): Priority {
  return PRIORITIES[rank] ?? 'lowest';
}

/** The priorities whose create-task scope also allows this one: itself and all that are higher. */
export function atLeast(priority: Priority): readonly Priority[] {
  return PRIORITIES.slice(0, rankOf(priority) + 1);
}
