import { statement } from '../../postgres/sql.js';

export interface ProvisionerRow {
  provisionerId: string;
  lastDateActive: Date;
  expires: Date;
}

/** Provisioners are what the names of task queues begin with. $1 only this one, or null, $2 only after this one, $3 at most so many */
export const listProvisioners = statement<ProvisionerRow>(
  'list-provisioners',
  `
select split_part(task_queue_id, '/', 1) collate "C" as "provisionerId", max(last_date_active) as "lastDateActive", max(expires) as expires
  from task_queue
 where expires > now()
   and ($1::text is null or split_part(task_queue_id, '/', 1) = $1)
   and split_part(task_queue_id, '/', 1) collate "C" > $2
 group by 1
 order by 1
 limit $3`,
);
