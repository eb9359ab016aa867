import { statement } from '../../postgres/sql.js';

/** Moves a reader on, if it is where the caller saw it. $1 name, $2 $3 from (tx, id), $4 $5 to (tx, id) */
export const moveReader = statement<{ name: string }>(
  'move-reader',
  `
update event_reader
   set tx = $4, id = $5
 where name = $1 and tx = $2 and id = $3
returning name`,
);
