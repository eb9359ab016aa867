import { slugid } from '../support/api.js';
import { PROJECT, SCHEDULER } from './world.js';

interface Steered {
  params: { taskId: string };
  taskGroupId: string;
}

/** What scheduleTask, cancelTask and rerunTask have in common: who may, and who may know. */
export function steering(verb: 'schedule-task' | 'cancel-task' | 'rerun-task') {
  return {
    scopes: ({ params, taskGroupId }: Steered) => [
      [`queue:${verb}:${SCHEDULER}/${taskGroupId}/${params.taskId}`],
      [`queue:${verb}-in-project:${PROJECT}`],
      [`queue:${verb}`, `assume:scheduler-id:${SCHEDULER}/${taskGroupId}`],
    ],
    mayKnow: ({ params }: Steered) => `queue:status:${params.taskId}`,
    unknown: () => ({ taskId: slugid() }),
  };
}
