/** The built program as its next version would be: with migrations that the running one does not know. */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromRoot } from '../../test/kit/process/from-root.ts'

const JOURNAL = 'migrations/postgres/meta/_journal.json'

interface Journal {
  entries: { idx: number; version: string; when: number; tag: string; breakpoints: boolean }[]
}

const addMigration = (folder: string, journal: Journal, sql: string): void => {
  const last = journal.entries.at(-1)!
  const idx = last.idx + 1
  const tag = `${String(idx).padStart(4, '0')}_next`
  journal.entries.push({ ...last, idx, when: last.when + 1, tag })
  writeFileSync(join(folder, 'migrations', 'postgres', `${tag}.sql`), sql)
}

/**
 * @param built folder of the build
 * @param folder of the copy, which is made
 * @param migrations text of each, for PostgreSQL
 * @returns path of the command line
 */
export const makeNewerProgram = (built: string, folder: string, migrations: string[]): string => {
  mkdirSync(folder, { recursive: true })
  for (const path of ['package.json', 'migrations', 'src/admin/page/assets'])
    cpSync(fromRoot(path), join(folder, path), { recursive: true })
  // their own folders are found by where the files really are
  cpSync(built, join(folder, 'dist'), { recursive: true })
  symlinkSync(fromRoot('node_modules'), join(folder, 'node_modules'))
  const journal = JSON.parse(readFileSync(join(folder, JOURNAL), 'utf8')) as Journal
  for (const sql of migrations) addMigration(folder, journal, sql)
  writeFileSync(join(folder, JOURNAL), JSON.stringify(journal))
  return join(folder, 'dist', 'src', 'cli.js')
}
