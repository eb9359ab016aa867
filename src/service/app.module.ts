import { type DynamicModule, Global, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import { LentCredentials } from '../credentials/lent-credentials.js';
import { ArtifactsModule } from './artifacts/artifacts.module.js';
import { AuditModule } from './audit/audit.module.js';
import { AuthModule } from './auth/auth.module.js';
import { Config } from './config.js';
import { EventsModule } from './events/events.module.js';
import { FleetModule } from './fleet/fleet.module.js';
import { Answers } from './http/answers.js';
import { ApiErrorFilter } from './http/api-error.filter.js';
import { Bodies } from './http/bodies.js';
import { CallerGuard } from './http/caller.guard.js';
import { Logger } from './http/logger.js';
import {
  AuthStatusController,
  ProcessStatusController,
  PurgeCacheStatusController,
  QueueStatusController,
} from './http/status.controller.js';
import { Keys } from './keys.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { Bulletin } from './postgres/bulletin.js';
import { HotSql } from './postgres/hot-sql.js';
import { Housekeeper } from './postgres/housekeeper.js';
import { Sql } from './postgres/sql.js';
import { PurgeCacheModule } from './purge-cache/purge-cache.module.js';
import { QueueModule } from './queue/queue.module.js';
import { RegistryModule } from './registry/registry.module.js';
import { SignaturesModule } from './signatures/signatures.module.js';

/** What the rooms are handed: made at the composition root, in this order. */
export interface Foundations {
  config: Config;
  keys: Keys;
  logger: Logger;
  sql: Sql;
  hotSql: HotSql;
  bulletin: Bulletin;
}

/** The application: the rooms on their foundations, behind one guard and one filter. */
@Global()
@Module({
  imports: [
    AuditModule,
    AuthModule,
    FleetModule,
    SignaturesModule,
    QueueModule,
    ArtifactsModule,
    EventsModule,
    PurgeCacheModule,
    RegistryModule,
    MetricsModule,
  ],
  controllers: [QueueStatusController, AuthStatusController, PurgeCacheStatusController, ProcessStatusController],
})
export class AppModule {
  static on({ config, keys, logger, sql, hotSql, bulletin }: Foundations): DynamicModule {
    const foundations = [
      { provide: Config, useValue: config },
      { provide: Keys, useValue: keys },
      { provide: Logger, useValue: logger },
      { provide: Sql, useValue: sql },
      { provide: HotSql, useValue: hotSql },
      { provide: Bulletin, useValue: bulletin },
      { provide: LentCredentials, useFactory: () => new LentCredentials() },
      { provide: Housekeeper, useFactory: () => new Housekeeper(logger, config.sweepInterval) },
    ];
    return {
      module: AppModule,
      providers: [
        ...foundations,
        Bodies,
        Answers,
        { provide: APP_GUARD, useClass: CallerGuard },
        { provide: APP_FILTER, useClass: ApiErrorFilter },
      ],
      exports: foundations.map(({ provide }) => provide),
    };
  }
}
