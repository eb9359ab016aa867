import { Module } from '@nestjs/common';
import { PurgeCacheController } from './purge-cache.controller.js';

/** What workers ask before they use a cache again. */
@Module({ controllers: [PurgeCacheController] })
export class PurgeCacheModule {}
