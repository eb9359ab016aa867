/** Where steps find the workspace; artifacts may be named by that, too. */
const WORKSPACE = 'workspace';
const RESERVED = 'tekton';

/** Bytes of one name that a file system takes. */
const LONGEST_NAME = 255;

/** A path below the workspace, with neither `.`, `..` nor empty parts. */
export type WorkspacePath = { path: string } | { problem: string };

/**
 * What a path of a payload means. It is made normal before it is judged (14): `/tekton/home/../results` is as much the worker's as
 * `//tekton//run`, and a check for beginnings alone would miss `/tekton`.
 */
export function workspacePath(text: string): WorkspacePath {
  const parts = normalParts(text);
  if (parts === undefined) return { problem: 'leads out of the workspace; leave .. out' };
  const [first, ...others] = parts;
  if (text.startsWith('/') && first === RESERVED)
    return { problem: "is under /tekton, which is the worker's; write to /workspace and name that" };
  if (text.startsWith('/') && first !== WORKSPACE)
    return { problem: 'must be below the workspace: relative, or beginning with /workspace/' };
  const below = text.startsWith('/') ? others : parts;
  if (below.length === 0) return { problem: 'is the workspace itself; name what is below it' };
  const long = below.some((part) => Buffer.byteLength(part) > LONGEST_NAME);
  return long ? { problem: `has a name of more than ${LONGEST_NAME} bytes in it` } : { path: below.join('/') };
}

/** Undefined where a `..` leads above the beginning: of `/` that would be `/` again, but nobody means that. */
function normalParts(text: string): string[] | undefined {
  const parts: string[] = [];
  for (const part of text.split('/')) {
    if (part === '..' && parts.pop() === undefined) return undefined;
    if (part !== '..' && part !== '.' && part !== '') parts.push(part);
  }
  return parts;
}
