import { Module } from '@nestjs/common';
import { RefreshTokens } from './refresh-tokens.js';
import { RegistryAuthority } from './registry-authority.js';
import { RegistryCallers } from './registry-callers.js';
import { RegistryTokenController } from './registry-token.controller.js';
import { RegistryTokensService } from './registry-tokens.service.js';

/** Tokens for OCI registries: what a caller may do here, as registries understand it. */
@Module({
  controllers: [RegistryTokenController],
  providers: [RegistryAuthority, RegistryCallers, RegistryTokensService, RefreshTokens],
})
export class RegistryModule {}
