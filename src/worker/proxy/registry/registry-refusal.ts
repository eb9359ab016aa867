import { Refusal } from '../refusal.js';

/** Of the distribution specification's list, so that its clients print what we say; `TOOMANYREQUESTS` aside, none makes them try again. */
export type RegistryCode = 'DENIED' | 'UNAUTHORIZED' | 'UNSUPPORTED' | 'NAME_UNKNOWN' | 'BLOB_UPLOAD_UNKNOWN' | 'SIZE_INVALID' | 'UNKNOWN';

/** What the proxy itself answers instead of a registry, as a registry says it. The step reads the message; it names the fix, and no secret. */
export class RegistryRefusal extends Refusal {
  constructor(
    status: number,
    readonly registryCode: RegistryCode,
    message: string,
    private readonly detail: object = {},
  ) {
    super(status, 'InvalidRequestArguments', message);
  }

  /** The same in a registry's words. */
  static of(refusal: Refusal): RegistryRefusal {
    if (refusal instanceof RegistryRefusal) return refusal;
    const code = refusal.status === 413 ? 'SIZE_INVALID' : refusal.status < 500 ? 'UNSUPPORTED' : 'UNKNOWN';
    return new RegistryRefusal(refusal.status, code, refusal.message);
  }

  override get body(): string {
    return `${JSON.stringify({ errors: [{ code: this.registryCode, message: this.message, detail: this.detail }] })}\n`;
  }
}

/** 400, for what is no request of the distribution API. */
export function unsupported(message: string): RegistryRefusal {
  return new RegistryRefusal(400, 'UNSUPPORTED', message);
}

/** 502, for an answer of the registry that is not passed on. */
export function untrusted(message: string): RegistryRefusal {
  return new RegistryRefusal(502, 'UNKNOWN', message);
}
