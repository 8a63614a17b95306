import { Command } from 'commander'
import type { Config } from '../../../config/config.ts'
import { loadSecrets } from '../../../config/data-dir.ts'
import { AppError } from '../../../errors.ts'
import {
  rateAll,
  ratingsTable,
  readRatingsTable,
} from '../../../lifecycle/ratings/ratings-table.ts'
import { internalizationOf, withStore } from '../../context.ts'
import { print, writeError, writeOut, type OutputOptions } from '../../output.ts'
import { readBounded } from '../../read-lines.ts'

/** 300 pairs with long answers are a few megabytes. */
const MAX_BYTES = 64 * 2 ** 20

/** Of the server: with another one the answers would change places. */
const secretOf = async ({ proxy, dataDir }: Config): Promise<string> =>
  proxy.tenantSecret ?? (await loadSecrets(dataDir)).tenantSecret

const exported = (id: string): Promise<void> =>
  withStore(async (store, config) => {
    const row = await internalizationOf(store, id)
    const { table, pairs, withoutTexts } = await ratingsTable(store, row, await secretOf(config))
    if (pairs === 0) {
      const why =
        withoutTexts > 0 ? `the texts of ${withoutTexts} pairs were deleted` : 'none waits'
      throw new AppError('not-found', `there is no pair to rate: ${why}`)
    }
    // what goes to a terminal has no carriage returns
    writeOut(table.replaceAll('\r\n', '\n'))
    if (withoutTexts > 0)
      writeError(`${withoutTexts} pairs of the sample are left out: their texts were deleted\n`)
  })

const imported = (path: string, { json }: OutputOptions): Promise<void> =>
  withStore(async (store, config) => {
    const ratings = readRatingsTable(await readBounded(path, MAX_BYTES))
    const options = { secret: await secretOf(config), now: Date.now() }
    const { rated, refused } = await rateAll(store, ratings, options)
    if (json) return print({ rated, refused })
    print([`${rated} pairs rated`, ...refused].join('\n'))
  })

export const ratingsCommand = (): Command =>
  new Command('ratings')
    .description('write the audited answers that people rate as a table, and read their ratings')
    .addCommand(
      new Command('export')
        .description(
          'print the pairs of the sample that wait for a rating as CSV, without saying whose answer is whose'
        )
        .argument('<internalization>', 'id of the internalization, or the start of it')
        .option('--json', 'print errors as JSON')
        .action(exported)
    )
    .addCommand(
      new Command('import')
        .description(
          'rate the pairs of a table: its column "right" says a, b, both, neither, or nothing'
        )
        .argument('<file>', 'written by promptintern ratings export; - reads stdin')
        .option('--json', 'print JSON')
        .action(imported)
    )
