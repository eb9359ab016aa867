import { statement } from '../../postgres/sql.js';

/** Forgets workers and queues half an hour after they expired; a quarantined worker is remembered. */
export const forgetFleet = statement(
  'forget-fleet',
  `
with workers as (
  delete from worker
   where expires < now() - interval '30 minutes' and (quarantine_until is null or quarantine_until < now())
)
delete from task_queue where expires < now() - interval '30 minutes'`,
);
