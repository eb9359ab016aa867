import { Module } from '@nestjs/common';
import { SignatureCounts } from './signature-counts.js';
import { SignaturePolicies } from './signature-policies.js';

/** What becomes of unsigned tasks, task queue by task queue. */
@Module({
  providers: [SignaturePolicies, SignatureCounts],
  exports: [SignaturePolicies, SignatureCounts],
})
export class SignaturesModule {}
