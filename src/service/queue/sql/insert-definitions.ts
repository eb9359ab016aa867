import { statement } from '../../postgres/sql.js';

/**
 * Takes possession of the ids of new tasks, in one order for everybody, and answers those that nobody had before; whoever is
 * creating one of them at this moment is waited for.
 * $1 task_ids, $2 definitions, $3 digests, $4 scopes as JSON, $5 retries, $6 expires, $7 creators, $8 creator_sinces, $9 creator_runs,
 * $10 elder_runs with spaces between them, $11 signatures or null
 */
export const insertDefinitions = statement<{ taskId: string }>(
  'insert-definitions',
  `
insert into task_definition (task_id, definition, size, digest, scopes, retries, expires, creator, creator_since, creator_run, elder_runs, signature)
select task_id, definition::json, octet_length(definition) + coalesce(octet_length(signature), 0), digest, array(select json_array_elements_text(scopes::json)), retries,
       expires, creator, creator_since, creator_run, string_to_array(elder_runs, ' '), signature
  from unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::smallint[], $6::timestamptz[], $7::text[], $8::timestamptz[],
              $9::text[], $10::text[], $11::text[])
       as given (task_id, definition, digest, scopes, retries, expires, creator, creator_since, creator_run, elder_runs, signature)
 order by task_id collate "C"
on conflict do nothing
returning task_id as "taskId"`,
);
