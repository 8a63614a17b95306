/** Parses the file of prices. Pure; reports every mistake at once. */
import { z } from 'zod'
import { isDate, type Price } from '../core/cost/prices.ts'
import { AppError } from '../errors.ts'
import { isTierName } from '../openai/usage/usage.ts'

const amount = (wanted: string): z.ZodNumber => {
  const error = `must be ${wanted}`
  return z.number({ error }).min(0, { error })
}

const text = (wanted: string): z.ZodString => z.string({ error: `must be ${wanted}` })

const A_DATE = 'a date, YYYY-MM-DD'
const date = text(A_DATE).refine(isDate, { error: `must be ${A_DATE}` })

const fields = <Shape extends z.ZodRawShape>(shape: Shape, wanted = 'an object') =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `${(issue['keys'] as string[]).join(', ')} is not a field of a price`
        : `must be ${wanted}`,
  })

const dollars = amount('dollars per million tokens')
const tokens = amount('a number of tokens')
const LIMIT = 'a number of tokens above 0'

const AMOUNTS = {
  input: dollars,
  cachedInput: dollars,
  cacheWrite: dollars.optional(),
  output: dollars,
}

const TIER = {
  ...AMOUNTS,
  longContext: fields(
    { ...AMOUNTS, aboveTokens: amount(LIMIT).positive({ error: `must be ${LIMIT}` }) },
    'an object with aboveTokens and prices'
  ).optional(),
}

const tiers = z
  .record(z.string(), fields(TIER), { error: 'must be an object with the prices of each tier' })
  .superRefine((named, context) => {
    for (const name of Object.keys(named))
      if (!isTierName(name))
        context.addIssue({
          code: 'custom',
          path: [name],
          message: 'is no tier of an answer; prices of the standard one stand beside model',
        })
  })

const ROW = fields({
  model: text('a model name').min(1, { error: 'must be a model name' }),
  asOf: date,
  source: text('a text').optional(),
  ...TIER,
  serviceTiers: tiers.optional(),
  minCachedPrefixTokens: tokens.optional(),
  cacheLifeMinutes: amount('a number of minutes').optional(),
  maxOutputTokens: tokens.optional(),
  maxImageTokens: tokens.optional(),
  deprecatedOn: date.optional(),
})

/** Of two rows of one day none is the newest. */
const repeated = (rows: readonly z.infer<typeof ROW>[]): string[] => {
  const days = rows.map(({ model, asOf }) => `${model} of ${asOf}`)
  return days.flatMap((day, place) =>
    days.indexOf(day) < place ? [`entry ${place}: an earlier entry is ${day}, too`] : []
  )
}

const mistakeOf = ({ path: [place, ...path], message }: z.core.$ZodIssue): string => {
  if (place === undefined) return 'it must be a list of prices'
  return `entry ${String(place)}: ${[path.join('.'), message].filter((part) => part !== '').join(' ')}`
}

const parseJson = (content: string): unknown => {
  try {
    return JSON.parse(content)
  } catch (cause) {
    throw new AppError('invalid-config', 'the price file is not JSON', { cause })
  }
}

/** @throws AppError `invalid-config` that names all mistakes */
export const parsePrices = (content: string): Price[] => {
  const parsed = z.array(ROW).safeParse(parseJson(content))
  const mistakes = parsed.success ? repeated(parsed.data) : parsed.error.issues.map(mistakeOf)
  if (!parsed.success || mistakes.length > 0)
    throw new AppError('invalid-config', `the price file: ${mistakes.join('; ')}`)
  // a member that is not there is not undefined either
  return parsed.data as Price[]
}
