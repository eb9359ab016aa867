import { Refusal } from './refusal.js';

const OF_A_RUN = ['claim', 'reclaim', 'completed', 'failed', 'exception', 'signature'];

/**
 * A run's credentials can end that run, and reclaiming answers with the next ones: a step that could do so would forge its own outcome, or
 * hold what this proxy is there to keep from it. So no step claims, keeps or ends a run, whatever its scopes are.
 *
 * @param resource as `apiResource` returns it
 * @param reserved whether an artifact of that name is one that the worker leaves: who creates it first decides what it is
 * @throws Refusal 403
 */
export function assertNotTheWorkers(resource: string, reserved: (name: string) => boolean = () => false): void {
  const [, api, service, version, ...operation] = resource.replace(/\?.*$/s, '').split('/').map(decodeURIComponent);
  if ([api, service, version].join('/') !== 'api/queue/v1') return;
  const [kind, , runs, , verb, ...name] = operation;
  if (isNamed('claim-work', kind) || (isNamed('runs', runs) && OF_A_RUN.some((of) => isNamed(of, verb))))
    throw refusal('Claiming, keeping and ending a run');
  if (isNamed('artifacts', verb) && reserved(name.join('/'))) throw refusal('This artifact');
}

/** Some routers do not mind the case, or what follows a semicolon. */
const isNamed = (name: string, segment = '') => segment.toLowerCase().split(';', 1).join() === name;

const refusal = (what: string) => new Refusal(403, 'InsufficientScopes', `${what} is the worker's business; a step ends by its exit code`);
