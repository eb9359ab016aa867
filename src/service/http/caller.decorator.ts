import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { ApiRequest } from './caller.guard.js';
import type { Caller } from './caller.js';

/** The verified caller of an operation that requires scopes. */
export const CallerOf = createParamDecorator((_: unknown, context: ExecutionContext): Caller => {
  const { caller } = context.switchToHttp().getRequest<ApiRequest>();
  if (!caller) throw new Error('@CallerOf() in an operation without scopes');
  return caller;
});
