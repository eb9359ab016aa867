import { Global, Module } from '@nestjs/common';
import { Refusals } from '../http/refusals.js';
import { AuditController } from './audit.controller.js';
import { AuditedRefusals } from './audited-refusals.js';
import { Pruner } from './pruner.js';
import { ReadAudit } from './read-audit.service.js';
import { Sealer } from './sealer.js';

/** What was lent, refused and changed, in a chain that shows what was done to it. Global, because the filter tells it of refusals. */
@Global()
@Module({
  controllers: [AuditController],
  providers: [ReadAudit, Sealer, Pruner, AuditedRefusals, { provide: Refusals, useExisting: AuditedRefusals }],
  exports: [Refusals],
})
export class AuditModule {}
