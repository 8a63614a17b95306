/** Moves the data to another database. `store/move/move.ts` does the work. */
import { existsSync } from 'node:fs'
import { Command } from 'commander'
import { AppError } from '../../errors.ts'
import { whole } from '../../core/figure-text.ts'
import { databasePath } from '../../store/sqlite/base/database-path.ts'
import type { MoveReport } from '../../store/move/move.ts'
import { readConfig } from '../context.ts'
import { PrintedResult } from '../exit-code.ts'
import { EXIT } from '../../process/exit.ts'
import { openScreen, print, table, type OutputOptions } from '../output.ts'

interface MoveOptions extends OutputOptions {
  from?: string
  verify?: boolean
}

const comparedTable = ({ tables }: MoveReport): string =>
  table([
    ['table', 'rows', 'in the target', 'same'],
    ...Object.entries(tables).map(([name, { source, target, same }]) => [
      name,
      whole(source),
      whole(target),
      same ? 'yes' : 'no',
    ]),
  ])

const conclusion = ({ copied, differences }: MoveReport, verify: boolean): string => {
  if (differences === 0)
    return verify
      ? 'both databases have the same rows'
      : `moved: ${whole(copied)} rows were copied, and both databases have the same rows. Start the proxy with DATABASE_URL. ` +
          'When you no longer need the old database, delete its promptintern.sqlite* files'
  const tables = `${whole(differences)} tables are not the same (see above)`
  return verify
    ? tables
    : `not moved: ${tables}. One of the databases was changed during the move, or is damaged: stop all processes that use ` +
        'them, drop the schema promptintern in the target, and move again'
}

const migrate = async ({ from, verify = false, json }: MoveOptions): Promise<void> => {
  const config = readConfig()
  const { database, dataDir, logLevel } = config
  if (database === null)
    throw new AppError('invalid-config', 'set DATABASE_URL to the database that the data moves to')
  const source = from ?? dataDir
  if (!existsSync(databasePath(source)))
    throw new AppError(
      'not-found',
      `${source} is not a data directory with a SQLite database: it has no ${databasePath(source)}`
    )
  const { progress } = openScreen(logLevel)
  // loads both drivers
  const { moveStore } = await import('../../store/move/move.ts')
  try {
    const report = await moveStore({
      from: source,
      server: database.server,
      verifyOnly: verify,
      onProgress: (step, done, all) =>
        progress.update(step, done, all, `${whole(done)} of ${whole(all)} rows`),
    })
    progress.stop()
    print(json ? report : `${comparedTable(report)}\n\n${conclusion(report, verify)}`)
    if (report.differences > 0) throw new PrintedResult(EXIT.notAccepted)
  } finally {
    progress.stop()
  }
}

export const migrateCommand = (): Command =>
  new Command('migrate')
    .description('move the data to another database')
    .helpCommand(false)
    .addCommand(
      new Command('sqlite-to-postgres')
        .description(
          'move the data of a SQLite database to the empty database of DATABASE_URL, and compare all tables; ' +
            'after an interruption, run it again to continue'
        )
        .option('--from <folder>', 'data directory with the SQLite database; by default DATA_DIR')
        .option('--verify', 'only compare')
        .option('--json', 'print JSON')
        .action(migrate)
    )
