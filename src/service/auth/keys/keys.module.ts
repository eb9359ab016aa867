import { Module } from '@nestjs/common';
import { Keyring } from './keyring.js';

/** The keys that sign tokens, and what verifiers are told of them. */
@Module({
  providers: [Keyring],
  exports: [Keyring],
})
export class KeysModule {}
