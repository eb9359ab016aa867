import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What the sweep has not tried comes first, by its end; then what it has, by when that was. By the end alone, artifacts whose bytes
 * cannot be deleted were in front of all others for ever.
 */
export class ArtifactSweep1764000000007 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create index artifact_sweep on artifact (swept nulls first, expires);
      drop index artifact_expires;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create index artifact_expires on artifact (expires);
      drop index artifact_sweep;
    `);
  }
}
