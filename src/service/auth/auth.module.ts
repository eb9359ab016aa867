import { Global, Module } from '@nestjs/common';
import { Authenticator } from '../http/authenticator.js';
import { AuthenticateService } from './authenticate.service.js';
import { ClientsController } from './clients.controller.js';
import { ClientsService } from './clients.service.js';
import { KeysModule } from './keys/keys.module.js';
import { Registry } from './registry.js';
import { RolesController } from './roles.controller.js';
import { RolesService } from './roles.service.js';
import { ScopesController } from './scopes.controller.js';

/** Clients, roles, and who makes a request. Global, because the guard of every operation asks its authenticator. */
@Global()
@Module({
  imports: [KeysModule],
  controllers: [ClientsController, RolesController, ScopesController],
  providers: [Registry, ClientsService, RolesService, AuthenticateService, { provide: Authenticator, useExisting: AuthenticateService }],
  exports: [Authenticator, KeysModule],
})
export class AuthModule {}
