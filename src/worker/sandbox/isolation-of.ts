import { Bubblewrap } from './bubblewrap.js';
import type { Isolation, IsolationName, SandboxSettings } from './isolation.js';
import { Unsandboxed } from './unsandboxed.js';

/** `creds` is where files of secrets are put for a step that has no file system of its own. Throws if the root of sandboxes cannot be read. */
export function isolationOf(name: IsolationName, settings: SandboxSettings, creds: string): Isolation {
  return name === 'none' ? new Unsandboxed(creds) : new Bubblewrap(settings);
}
