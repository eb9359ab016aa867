import { Module } from '@nestjs/common';
import { DiscoveryController } from './discovery.controller.js';
import { Keyring } from './keyring.js';
import { KeysController } from './keys.controller.js';
import { KeysService } from './keys.service.js';

/** The keys that sign tokens, and what verifiers are told of them. */
@Module({
  controllers: [KeysController, DiscoveryController],
  providers: [Keyring, KeysService],
  exports: [Keyring],
})
export class KeysModule {}
