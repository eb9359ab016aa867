import type pg from 'pg';

export const JWKS = '/.well-known/jwks.json';

/** As if so many seconds had passed for all keys and tokens. */
export async function later(pool: pg.Pool, seconds: number): Promise<void> {
  const ago = (column: string) => `${column} = ${column} - $1 * interval '1 second'`;
  const columns = ['published', 'active_from', 'retired_at', 'delete_after', 'compromised'];
  await pool.query(`update signing_key set ${columns.map(ago).join(', ')}`, [seconds]);
  await pool.query(`update task_token set ${['issued', 'expires'].map(ago).join(', ')}`, [seconds]);
}
