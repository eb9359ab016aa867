import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The chain in blocks: one row holds the hashes of all entries that were sealed together, which are the same as before. A row for each
 * entry, with three indexes, was half of what the audit log cost (15 of 25 µs and 830 of 1 100 bytes an entry). Entries are looked up
 * by their own indexes now; the two kinds that nearly all entries are of need none by kind.
 *
 * And what the triggers believe is no longer what a row says of itself. Whoever may insert could write an entry of yesterday, move the mark
 * of what is pruned onto it and delete all before it; or one of a transaction to come, which looked like a restored dump. So entries
 * are of now and of the transaction that writes them (a dump is restored before its triggers are), a mark moves to an entry that is
 * there, and all that is pruned is a day old. A transaction's own id, which its snapshot does not know either, proves no restore. And the
 * functions look for tables where they are, not where whoever calls them has made others of these names.
 */
export class AuditBlocks1764000000017 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table audit_block (
        last   bigint primary key,             -- the numbers of its entries
        first  bigint not null,
        tx     xid8 not null,                  -- the place of the last one, which no other block has
        id     bigint not null,
        at     timestamptz(3) not null,        -- of the last one: to begin to read somewhere
        hashes bytea not null,                 -- 32 bytes of each, in order
        check (octet_length(hashes) = 32 * (last - first + 1))
      );
      alter table audit_block alter hashes set storage external; -- nothing compresses a hash, and a part of them can be read

      insert into audit_block (last, first, tx, id, at, hashes)
      select chain.seq, block.first, chain.tx, chain.id, coalesce(entry.at, 'epoch'), block.hashes
        from (select max(seq) as last, min(seq) as first, string_agg(hash, null order by seq) as hashes
                from (select seq, hash, seq - row_number() over (order by seq) as gaps from audit_chain) as chain
               group by gaps, (seq - 1) / 500) as block
             join audit_chain as chain on chain.seq = block.last
             left join audit_entry as entry on (entry.tx, entry.id) = (chain.tx, chain.id);

      create index audit_block_place on audit_block (tx, id);
      create index audit_block_at on audit_block (at);
      create index audit_entry_task on audit_entry (task_id, tx, id) where task_id is not null;
      create index audit_entry_actor on audit_entry (actor, tx, id) where actor is not null;
      create index audit_entry_kind on audit_entry (kind, tx, id) where kind not in ('credentials-lent', 'credentials-renewed');

      create function audit_refuse_time() returns trigger language plpgsql stable as $$
      begin
        raise exception 'an entry of % is of now, and of the transaction that writes it', tg_table_name using errcode = 'insufficient_privilege';
      end $$;

      create or replace function audit_is_foreign() returns boolean language sql stable as $$
        select exists (select from audit_mark where tx >= pg_snapshot_xmax(pg_current_snapshot())
                                                and tx is distinct from pg_current_xact_id_if_assigned())
            or exists (select from audit_entry where tx >= pg_snapshot_xmax(pg_current_snapshot())
                                                 and tx is distinct from pg_current_xact_id_if_assigned())
      $$;

      create or replace function audit_move_mark() returns trigger language plpgsql stable as $$
      begin
        if new.name = old.name and new.seq = old.seq and new.hash = old.hash and audit_is_foreign() then
          return new;
        end if;
        if new.name = old.name and new.seq > old.seq and (new.tx, new.id) > (old.tx, old.id)
           and exists (select from audit_entry where (tx, id) = (new.tx, new.id))
           and (new.name = 'sealed' or exists (
                  select from audit_block
                   where last = new.seq and (tx, id) = (new.tx, new.id)
                     and substring(hashes from octet_length(hashes) - 31) = new.hash)
                and not exists (
                  select from audit_entry
                   where (tx, id) > (old.tx, old.id) and (tx, id) <= (new.tx, new.id) and at >= now() - interval '1 day')) then
          return new;
        end if;
        raise exception 'audit_mark moves forward only, over what is sealed and old' using errcode = 'insufficient_privilege';
      end $$;

      drop table audit_chain;
      create trigger audit_keep before update or delete on audit_block for each row execute function audit_refuse();
      create trigger audit_stay before truncate on audit_block execute function audit_refuse();
      -- the condition costs a claim next to nothing, a function would; of a transaction of yesterday, now is yesterday
      create trigger audit_now before insert on audit_entry for each row
        when (new.tx <> pg_current_xact_id() or new.at <> now()::timestamptz(3) or new.at < clock_timestamp() - interval '5 minutes')
        execute function audit_refuse_time();

      do $$
      declare
        one text;
      begin
        foreach one in array array['audit_is_foreign', 'audit_refuse', 'audit_move_mark', 'audit_refuse_time'] loop
          execute format('alter function %I.%I() set search_path = pg_catalog, %I, pg_temp', current_schema(), one, current_schema());
        end loop;
      end $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table audit_chain (
        seq     bigint primary key,
        tx      xid8 not null,
        id      bigint not null,
        hash    bytea not null,
        kind    text collate "C" not null,
        actor   text collate "C",
        task_id text collate "C"
      );
      insert into audit_chain (seq, tx, id, hash, kind, actor, task_id)
      select entry.seq, entry.tx, entry.id, substring(block.hashes from (32 * (entry.seq - block.first))::integer + 1 for 32),
             entry.kind, entry.actor, entry.task_id
        from (select one.*, pruned.seq + row_number() over (order by one.tx, one.id) as seq
                from audit_entry as one, audit_mark as pruned where pruned.name = 'pruned') as entry
             join audit_block as block on entry.seq between block.first and block.last;
      create index audit_chain_kind on audit_chain (kind, seq);
      create index audit_chain_actor on audit_chain (actor, seq) where actor is not null;
      create index audit_chain_task on audit_chain (task_id, seq) where task_id is not null;
      alter table audit_chain set (autovacuum_vacuum_scale_factor = 0.05);

      create or replace function audit_is_foreign() returns boolean language sql stable as $$
        select exists (select from audit_mark where tx >= pg_snapshot_xmax(pg_current_snapshot()))
            or exists (select from audit_entry where tx >= pg_snapshot_xmax(pg_current_snapshot()))
      $$;
      alter function audit_is_foreign() reset search_path;
      alter function audit_refuse() reset search_path;
      alter function audit_move_mark() reset search_path;

      create or replace function audit_move_mark() returns trigger language plpgsql stable as $$
      begin
        if new.name = old.name and new.seq = old.seq and new.hash = old.hash and audit_is_foreign() then
          return new;
        end if;
        if new.name = old.name and new.seq > old.seq and (new.name = 'sealed' or exists (
             select from audit_chain join audit_entry using (tx, id)
              where seq = new.seq and hash = new.hash and (tx, id) = (new.tx, new.id) and at < now() - interval '1 day')) then
          return new;
        end if;
        raise exception 'audit_mark moves forward only, over what is sealed and old' using errcode = 'insufficient_privilege';
      end $$;

      drop trigger audit_now on audit_entry;
      drop function audit_refuse_time;
      drop table audit_block;
      drop index audit_entry_task, audit_entry_actor, audit_entry_kind;
      create trigger audit_keep before update or delete on audit_chain for each row execute function audit_refuse();
      create trigger audit_stay before truncate on audit_chain execute function audit_refuse();
    `);
  }
}
