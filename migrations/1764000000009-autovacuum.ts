import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * By default a table is vacuumed once a fifth of it is dead. Most of `task` are tasks that have ended, which wait for their expiry: beside a
 * million of them, what claims step over would not be cleaned before 100 000 cycles (two dead rows each), nor soon after a snapshot that
 * was held open is gone. Its indexes are read for that, so it is still relative to the size: 2 %, and at least 5 000.
 * The others only grow at one end and are deleted at the other: a twentieth is space that can be used again before it is much.
 * Costs, delays and analyzing stay as they are: vacuum is not in the way of a small machine, and statistics are rough anyway.
 */
export class Autovacuum1764000000009 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table task set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
      alter table event set (autovacuum_vacuum_scale_factor = 0.05);
      alter table task_definition set (autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table task_definition reset (autovacuum_vacuum_scale_factor, toast.autovacuum_vacuum_scale_factor);
      alter table event reset (autovacuum_vacuum_scale_factor);
      alter table task reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
    `);
  }
}
