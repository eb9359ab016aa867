/**
 * The words that start a program as PID 1 of its own user, pid and mount namespaces. When it ends, however it does, the kernel kills all
 * that it has started; no sandbox outlives it. It is root there and has no more rights outside than before. `unshare` itself stays behind
 * and takes the program with it if it is killed.
 */
export function inOwnNamespaces(words: readonly string[]): [program: string, ...words: string[]] {
  return ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--kill-child', '--mount', '--mount-proc', '--', ...words];
}
