/** Migrations of a next version, for a database that is ahead of this program. */
import { openPool } from '../../../src/store/postgres/base/database.ts'
import { migrate } from '../../../src/store/postgres/base/migrate.ts'
import { knownMigrations, type Migration } from '../../../src/store/postgres/base/migrations.ts'
import type { DatabaseServer } from '../../../src/config/database-url.ts'

/** Everything that an additive migration may do, to every table. */
const ADDITIVE = `do $$
  declare found record;
  begin
    for found in
      select oid::regclass as name, relname from pg_class
      where relnamespace = 'promptintern'::regnamespace and relkind = 'r' and relname <> 'migrations'
    loop
      execute 'alter table ' || found.name || ' add column added_later text';
      execute 'alter table ' || found.name || ' add column added_count integer not null default 0';
      execute 'create index on ' || found.name || ' (added_later)';
    end loop;
    create table promptintern.added (id bigint primary key);
  end $$`

export const nextMigration = (
  change: Partial<Pick<Migration, 'statements' | 'isBreaking'>> = {}
): Migration => ({
  at: knownMigrations().at(-1)!.at + 1,
  hash: 'next',
  statements: [ADDITIVE],
  isBreaking: false,
  ...change,
})

/** As a program of the next version does when it starts. */
export const upgrade = async (
  server: DatabaseServer,
  next: Migration = nextMigration()
): Promise<void> => {
  const connection = openPool(server, 1)
  try {
    await migrate(connection, 'upgraded', { known: [...knownMigrations(), next] })
  } finally {
    await connection.close()
  }
}
