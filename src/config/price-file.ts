/** Parses the file of prices. Pure; reports every mistake at once. */
import { z } from 'zod'
import { isDate, type Price } from '../core/cost/prices.ts'
import { parseEntries } from './entries.ts'
import { isTierName } from '../openai/usage/usage.ts'

const amount = z.number().min(0)
const date = z.string().refine(isDate, 'must be a date, YYYY-MM-DD')

const AMOUNTS = {
  input: amount,
  cachedInput: amount,
  cacheWrite: amount.optional(),
  output: amount,
}

const TIER = {
  ...AMOUNTS,
  longContext: z.strictObject({ ...AMOUNTS, aboveTokens: z.number().positive() }).optional(),
}

const ROW = z.strictObject({
  model: z.string().min(1),
  asOf: date,
  source: z.string().optional(),
  ...TIER,
  serviceTiers: z
    .record(
      // prices of the standard tier stand beside `model`
      z.string().refine(isTierName, 'is no tier of an answer'),
      z.strictObject(TIER)
    )
    .optional(),
  minCachedPrefixTokens: amount.optional(),
  cacheLifeMinutes: amount.optional(),
  maxOutputTokens: amount.optional(),
  maxImageTokens: amount.optional(),
  deprecatedOn: date.optional(),
})

/** Of two rows of one day none is the newest. */
const repeated = (rows: readonly z.infer<typeof ROW>[]): string[] => {
  const days = rows.map(({ model, asOf }) => `${model} of ${asOf}`)
  return days.flatMap((day, place) =>
    days.indexOf(day) < place ? [`entry ${place}: an earlier entry is ${day}, too`] : []
  )
}

/** @throws AppError `invalid-config` that names all mistakes */
export const parsePrices = (text: string): Price[] =>
  // a member that is not there is not undefined either
  parseEntries('the price file', text, ROW, repeated) as Price[]
