import { SignatureError } from './signature-error.js';

/** What the worker tells a run. */
const OF_THE_WORKER = /^((TASK|TASKCLUSTER|LEASEHOLD)_.*|RUN_ID)$/;
export const isOfTheWorker = (name: string) => OF_THE_WORKER.test(name);

/**
 * What is not a task's to set, whoever signed it: what is made to put code into programs that did not ask for it, for the worker's programs
 * run in the environment of a task, too; and what speaks in the worker's name. In capitals or not: there are systems that do not see the
 * difference. All else is the creator's, as the command is: where programs look (PATH, PYTHONPATH, NODE_PATH), what one does in its own
 * work (GIT_SSH_COMMAND), what is heeded only where somebody types (PYTHONSTARTUP; ENV, which many builds set and mean something else by).
 */
const RESERVED = [
  /^(LD|DYLD)_/, // libraries that are loaded into any program
  /^(GLIBC_TUNABLES|GCONV_PATH|LOCPATH|OPENSSL_CONF|OPENSSL_MODULES)$/, // and what makes libraries load others
  /^(BASH_ENV|SHELLOPTS|BASHOPTS|PS4|BASH_FUNC_.*)$/, // what a shell runs before its script
  /^(NODE_OPTIONS|PERL5OPT|PERL5DB|RUBYOPT|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|JDK_JAVA_OPTIONS|DOTNET_STARTUP_HOOKS)$/, // an interpreter
  OF_THE_WORKER,
];

const NAME = /^[A-Za-z_][A-Za-z0-9_.()%-]*$/;
const MOST_NAMES = 10;

/** Throws SignatureError if the environment that a definition asks for is not one that it may. It tells names, and no values. */
export function assertEnvAllowed(env: unknown): void {
  if (env === undefined) return;
  if (typeof env !== 'object' || env === null || Array.isArray(env)) throw refused('the environment is not an object of texts');
  const names = Object.keys(env);
  const strange = names.filter((name) => !NAME.test(name));
  if (strange.length > 0) throw refused(`names of variables are letters, digits and _, not ${shown(strange)}`);
  const unsaid = names.filter((name) => {
    const value: unknown = (env as Record<string, unknown>)[name];
    return typeof value !== 'string' || value.includes('\0');
  });
  if (unsaid.length > 0) throw refused(`variables must be texts without NUL: ${shown(unsaid)}`);
  const reserved = names.filter((name) => RESERVED.some((pattern) => pattern.test(name.toUpperCase())));
  if (reserved.length > 0) throw refused(`a task may not set ${shown(reserved)}; set it inside of the command`);
}

function shown(names: readonly string[]): string {
  const quoted = names.slice(0, MOST_NAMES).map((name) => JSON.stringify(name.slice(0, 80)));
  return names.length > MOST_NAMES ? `${quoted.join(', ')} and ${names.length - MOST_NAMES} more` : quoted.join(', ');
}

const refused = (what: string) => new SignatureError('definition-reserved-env', `The definition is refused: ${what}`);
