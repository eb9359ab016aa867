import type { ConfiguredRegistry } from '../../config/registries.js';
import type { Call } from '../pass-on.js';
import type { Exchange, Question, Reply } from './exchange.js';
import type { RegistryCall } from './registry-call.js';
import { headersToRegistry } from './registry-headers.js';

/** A step's request, to which registry it goes, and what it was understood as. */
export interface Asking {
  call: Call;
  registry: ConfiguredRegistry;
  asked: RegistryCall;
}

/** Asks the registry what the step has asked, or as `instead` has it. */
export function ask(exchange: Exchange, { call, registry, asked }: Asking, instead: Partial<Question> = {}): Promise<Reply> {
  return exchange.ask({
    ...{ registry, method: asked.method, asked: asked.target, signal: call.signal, most: call.most },
    headers: headersToRegistry(call.request.headers),
    ...instead,
  });
}
