import { Module } from '@nestjs/common';
import { FleetModule } from '../fleet/fleet.module.js';
import { SignaturesModule } from '../signatures/signatures.module.js';
import { CheckSignature } from './check-signature.js';
import { ClaimDesk } from './claims/claim-desk.js';
import { ClaimTaskService } from './claims/claim-task.service.js';
import { ClaimWorkService } from './claims/claim-work.service.js';
import { LeaseRuns } from './claims/lease-runs.service.js';
import { LendCredentials } from './claims/lend-credentials.js';
import { ReclaimTaskService } from './claims/reclaim-task.service.js';
import { RederiveScopes } from './claims/rederive-scopes.js';
import { ControlTaskService } from './control-task.service.js';
import { CreateTaskService } from './create-task.service.js';
import { CreateTasksService } from './create-tasks.service.js';
import { DefinitionPages } from './definition-pages.js';
import { FindTask } from './find-task.service.js';
import { ListQueue } from './list-queue.service.js';
import { ListTasks } from './list-tasks.service.js';
import { QueueCounts } from './queue-counts.js';
import { QueuedTasksController } from './queued-tasks.controller.js';
import { ResolveRunService } from './resolve-run.service.js';
import { RunReports } from './run-reports.js';
import { RunsController } from './runs.controller.js';
import { SettleService } from './settle.service.js';
import { SweepService } from './sweep.service.js';
import { TaskGroupService } from './task-group.service.js';
import { TaskGroupsController } from './task-groups.controller.js';
import { TaskListsController } from './task-lists.controller.js';
import { TaskSignatures } from './task-signatures.service.js';
import { TasksController } from './tasks.controller.js';

/** Tasks and their runs. */
@Module({
  imports: [FleetModule, SignaturesModule],
  controllers: [TasksController, RunsController, QueuedTasksController, TaskListsController, TaskGroupsController],
  providers: [
    FindTask,
    CreateTaskService,
    CheckSignature,
    TaskSignatures,
    CreateTasksService,
    ListTasks,
    DefinitionPages,
    ListQueue,
    QueueCounts,
    TaskGroupService,
    ControlTaskService,
    ClaimDesk,
    LeaseRuns,
    ClaimWorkService,
    ClaimTaskService,
    ReclaimTaskService,
    LendCredentials,
    RederiveScopes,
    RunReports,
    ResolveRunService,
    SettleService,
    SweepService,
  ],
  exports: [FindTask],
})
export class QueueModule {}
