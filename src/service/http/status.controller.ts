import { Controller, Get, Injectable } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Sql, statement } from '../postgres/sql.js';
import { VERSION } from '../version.js';
import { Operation } from './operation.decorator.js';
import { RequireScopes } from './require-scopes.decorator.js';
import { Flag, Real, Text } from './shape.js';

class PingResponse {
  @Flag()
  alive!: boolean;

  @Real({ description: 'Seconds since the process started' })
  uptime!: number;
}

class VersionResponse {
  @Text({})
  version!: string;

  @Text({ description: 'Empty where it is not known' })
  commit!: string;

  @Text({})
  source!: string;

  @Text({})
  build!: string;
}

class HeartbeatResponse {}

const look = statement('heartbeat', 'select 1');

/** What every service of the wire protocol answers about itself; the process does so too, outside of /api. */
@Injectable()
abstract class ServiceStatus {
  constructor(private readonly sql: Sql) {}

  @Get('ping')
  @RequireScopes(null)
  @Operation({ summary: 'Is this process alive?', unsigned: true, response: PingResponse })
  ping(): PingResponse {
    return { alive: true, uptime: process.uptime() };
  }

  @Get('__lbheartbeat__')
  @RequireScopes(null)
  @Operation({ summary: 'Is this process alive? For load balancers', unsigned: true, response: HeartbeatResponse })
  lbheartbeat(): HeartbeatResponse {
    return {};
  }

  @Get('__heartbeat__')
  @RequireScopes(null)
  @Operation({ summary: 'Does this process reach its database?', unsigned: true, response: HeartbeatResponse })
  async heartbeat(): Promise<HeartbeatResponse> {
    await this.sql.query(look);
    return {};
  }

  @Get('__version__')
  @RequireScopes(null)
  @Operation({ summary: 'What is running here?', unsigned: true, response: VersionResponse })
  version(): VersionResponse {
    return { version: VERSION, commit: '', source: '', build: '' };
  }
}

@ApiTags('queue: service')
@Controller('api/queue/v1')
export class QueueStatusController extends ServiceStatus {}

@ApiTags('auth: service')
@Controller('api/auth/v1')
export class AuthStatusController extends ServiceStatus {}

@ApiTags('purge-cache: service')
@Controller('api/purge-cache/v1')
export class PurgeCacheStatusController extends ServiceStatus {}

@ApiTags('process')
@Controller()
export class ProcessStatusController extends ServiceStatus {}
