import { Module } from '@nestjs/common';
import { SnapshotWatch } from './snapshot-watch.js';

@Module({ providers: [SnapshotWatch] })
export class MetricsModule {}
