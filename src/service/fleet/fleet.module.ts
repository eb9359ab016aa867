import { Module } from '@nestjs/common';
import { FleetController } from './fleet.controller.js';
import { FleetService } from './fleet.service.js';
import { Quarantine } from './quarantine.js';
import { Sightings } from './sightings.js';
import { WorkersController } from './workers.controller.js';

/** Task queues and workers. */
@Module({
  controllers: [FleetController, WorkersController],
  providers: [FleetService, Quarantine, Sightings],
  exports: [Quarantine, Sightings],
})
export class FleetModule {}
