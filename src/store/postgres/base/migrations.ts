/**
 * The migrations that this program knows, and which programs may work with a database that has them. The
 * first line of a migration's file says it (`migrations/README.md`). Knows no connection.
 */
import { join } from 'node:path'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { packageFolder } from '../../../package-folder.ts'
import { nonEmpty, type NonEmpty } from '../../../core/lists.ts'

export interface Migration {
  /** milliseconds since the epoch; orders migrations, and names them in the database */
  at: number
  hash: string
  statements: string[]
  /** whether programs that do not know it can no longer work with the database */
  isBreaking: boolean
}

const KIND = /^-- (additive|breaking)\b/

/** What the first line of a migration says about it; null: nothing. */
export const kindOf = (text: string): 'additive' | 'breaking' | null =>
  (KIND.exec(text)?.[1] as 'additive' | 'breaking' | undefined) ?? null

/** In their order. One that does not say that it is additive counts as breaking. */
export const knownMigrations = (): NonEmpty<Migration> =>
  nonEmpty(
    readMigrationFiles({ migrationsFolder: join(packageFolder(), 'migrations', 'postgres') }).map(
      ({ folderMillis, hash, sql }) => ({
        at: folderMillis,
        hash,
        statements: sql,
        isBreaking: kindOf(sql[0] ?? '') !== 'additive',
      })
    )
  )

/** Of a database. All are times of migrations. */
export interface Applied {
  /** the first one */
  initial: number
  newest: number
  /** a program works with the database if it knows this migration */
  worksFrom: number
}

/** The state of a database after one more migration. @param applied null before the first one */
export const afterMigration = (
  { at, isBreaking }: Migration,
  applied: Applied | null
): Applied => ({
  initial: applied?.initial ?? at,
  newest: at,
  worksFrom: applied === null || isBreaking ? at : applied.worksFrom,
})
