import { Module } from '@nestjs/common';
import { SignatureCounts } from './signature-counts.js';
import { SignaturePolicies } from './signature-policies.js';
import { SignaturePolicyController } from './signature-policy.controller.js';
import { SignaturePolicyService } from './signature-policy.service.js';

/** What becomes of unsigned tasks, task queue by task queue. */
@Module({
  controllers: [SignaturePolicyController],
  providers: [SignaturePolicyService, SignaturePolicies, SignatureCounts],
  exports: [SignaturePolicies, SignatureCounts],
})
export class SignaturesModule {}
