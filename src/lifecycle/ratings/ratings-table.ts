/** The sample that people rate as a table of comma-separated values, out and in. */
import { csvLine, parseCsv, type CsvRow } from '../../core/csv.ts'
import { groupBy } from '../../core/group-by.ts'
import type { Internalization } from '../../core/internalization/internalization.ts'
import { RATINGS_NEEDED } from '../../core/judge/people.ts'
import { AppError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import { ratePair, samplePairs, type Right } from './rating.ts'

const COLUMNS = ['record', 'question', 'answer_a', 'answer_b', 'right'] as const

/** What the last column may say; empty: not rated. */
const RIGHTS = ['a', 'b', 'both', 'neither'] as const

/** A table may be that of several routes. */
const MAX_ROWS = 10_000
/** Of a message; the others are counted. */
const MAX_LISTED = 10

/**
 * The pairs of the sample that wait for a rating, the last column empty. Which answer is `a` is drawn by a keyed hash
 * of the record, so a second table has the same order.
 * @param secret of the installation
 * @returns the table, and how many pairs of it lack their texts, which were deleted: they are left out
 */
export const ratingsTable = async (
  store: Store,
  internalization: Internalization,
  secret: string
): Promise<{ table: string; pairs: number; withoutTexts: number }> => {
  const { pairs, waiting } = await samplePairs(store, internalization, RATINGS_NEEDED, secret)
  const lines = pairs.flatMap(({ recordId, query, answers }) =>
    recordId === null || answers === null || query === null
      ? []
      : csvLine([recordId, query, answers.a, answers.b, ''])
  )
  return {
    table: csvLine(COLUMNS) + lines.join(''),
    pairs: lines.length,
    withoutTexts: waiting - lines.length,
  }
}

interface TableRating {
  record: string
  right: Right
}

const isRight = (text: string): text is (typeof RIGHTS)[number] =>
  (RIGHTS as readonly string[]).includes(text)

/** @returns null for a row without a rating, or what is wrong with it */
const ratingOfRow = (
  { line, cells }: CsvRow,
  places: Record<'record' | 'right', number>,
  width: number
): TableRating | string | null => {
  const right = (cells[places.right] ?? '').trim().toLowerCase()
  const record = (cells[places.record] ?? '').trim()
  if (cells.length !== width)
    return `line ${line}: has ${cells.length} cells, and the first line ${width}`
  if (right === '') return null
  if (record === '') return `line ${line}: has no record`
  return isRight(right)
    ? { record, right }
    : `line ${line}: "right" must be ${RIGHTS.join(', ')} or empty`
}

const invalid = (message: string): AppError => new AppError('invalid-request', message)

/**
 * Reads a table with the columns `record` and `right`; others are not read.
 * @returns the ratings in the order of the rows
 * @throws AppError `invalid-request`, with the lines that are wrong
 */
export const readRatingsTable = (table: string): TableRating[] => {
  const rows = parseCsv(table)
  if ('brokenLine' in rows)
    throw invalid(
      `line ${rows.brokenLine}: a quote is missing, or stands within a cell without quotes`
    )
  const [head, ...body] = rows
  const names = head?.cells.map((name) => name.trim().toLowerCase()) ?? []
  const places = { record: names.indexOf('record'), right: names.indexOf('right') }
  if (places.record < 0 || places.right < 0)
    throw invalid(
      'the first line must name the columns "record" and "right", with commas between them'
    )
  if (body.length > MAX_ROWS)
    throw invalid(`the table has ${body.length} rows, and may have ${MAX_ROWS}`)
  const read = body.map((row) => ratingOfRow(row, places, names.length))
  const ratings = read.filter((one) => typeof one === 'object').filter((one) => one !== null)
  const byRecord = groupBy(ratings, ({ record }) => record)
  const twice = [...byRecord].filter(([, all]) => all.length > 1)
  const faults = [
    ...read.filter((one) => typeof one === 'string'),
    ...twice.map(([record]) => `record ${record} is rated twice`),
  ]
  if (faults.length === 0) return ratings
  const others = faults.length > MAX_LISTED ? `; ${faults.length - MAX_LISTED} more` : ''
  throw invalid(`${faults.slice(0, MAX_LISTED).join('; ')}${others}; nothing was rated`)
}

/**
 * Rates pairs, each as `ratePair` does, again without harm. A record that cannot be rated does not keep others from it.
 * @returns how many were rated, and why others were not
 */
export const rateAll = async (
  store: Store,
  ratings: readonly TableRating[],
  options: { secret: string; now: number }
): Promise<{ rated: number; refused: string[] }> => {
  const refused: string[] = []
  for (const { record, right } of ratings)
    try {
      await ratePair(store, record, right, options)
    } catch (error) {
      const isOfRecord =
        error instanceof AppError && (error.code === 'not-found' || error.code === 'invalid-state')
      if (!isOfRecord) throw error
      refused.push(error.message)
    }
  return { rated: ratings.length - refused.length, refused }
}
