/**
 * The prices that ship with the project, US dollars per million tokens, and what an operator puts in their place.
 * Cached input of a tier that lists no price of it has the standard one, and never more than its input.
 */
import { DAY_MS } from '../days.ts'
import { groupBy } from '../group-by.ts'
import { AS_OF, PRICE_TABLE } from './price-table.ts'
import { type Amounts, type Tier, findPrice, type Price } from './prices.ts'
import { itemAt } from '../lists.ts'

const numberOf = (text: string | undefined): number | undefined =>
  text === undefined || text === '-' ? undefined : Number(text)

const amountsOf = ([input, cached, write, output]: readonly string[]): Amounts => {
  const cacheWrite = numberOf(write)
  return {
    input: Number(input),
    cachedInput: Number(cached),
    output: Number(output),
    ...(cacheWrite !== undefined && { cacheWrite }),
  }
}

/** Of groups of a name and four prices: `>272000`, `flex`, `flex>272000`. */
const tiersOf = (words: readonly string[]): Pick<Price, 'longContext' | 'serviceTiers'> => {
  const tiers: Record<string, Partial<Tier>> = {}
  for (let at = 0; at < words.length; at += 5) {
    const [name = '', above] = itemAt(words, at).split('>')
    const amounts = amountsOf(words.slice(at + 1, at + 5))
    tiers[name] = {
      ...tiers[name],
      ...(above === undefined
        ? amounts
        : { longContext: { aboveTokens: Number(above), ...amounts } }),
    }
  }
  const { '': standard, ...named } = tiers
  return {
    ...standard,
    ...(Object.keys(named).length > 0 && { serviceTiers: named as Record<string, Tier> }),
  }
}

const priceOf = (line: string, source: string): Price => {
  const words = line.split(' ')
  const [model, ...amounts] = [itemAt(words, 0), ...words.slice(1, 5)]
  const [prefix, answer, retired, ...tiers] = words.slice(5)
  const minCachedPrefixTokens = numberOf(prefix)
  const maxOutputTokens = numberOf(answer)
  const deprecatedOn = retired === '-' ? undefined : retired
  return {
    model,
    asOf: AS_OF,
    source,
    ...amountsOf(amounts),
    ...(minCachedPrefixTokens !== undefined && { minCachedPrefixTokens }),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    ...(deprecatedOn !== undefined && { deprecatedOn }),
    ...tiersOf(tiers),
  }
}

export const PRICE_LIST: readonly Price[] = PRICE_TABLE.trim()
  .split(/^# /m)
  .filter((part) => part !== '')
  .flatMap((part) => {
    const lines = part.trim().split('\n')
    const source = itemAt(lines, 0)
    return lines.slice(1).map((line) => priceOf(line, source))
  })

/** @param own rows of the operator: each replaces the row of its model */
export const withPriceList = (own: readonly Price[]): Price[] => {
  const models = new Set(own.map(({ model }) => model))
  return [...own, ...PRICE_LIST.filter(({ model }) => !models.has(model))]
}

/** A price that a figure is made of. */
export type DatedPrice = Pick<Price, 'model' | 'asOf' | 'source'>

/** Prices of the models, each once. @param models names as requests have them; those without a price are left out */
export const datedPrices = (prices: readonly Price[], models: Iterable<string>): DatedPrice[] => {
  const found = [...models].flatMap((model) => findPrice(prices, model) ?? [])
  return [...new Map(found.map((price) => [price.model, price])).values()].map(
    ({ model, asOf, source }) => ({ model, asOf, ...(source !== undefined && { source }) })
  )
}

/** Prices change every few weeks: of a list of this age some are wrong. */
const OLD_DAYS = 90

/**
 * `prices of 2026-11-20`, `prices: gpt-4o of 2026-11-01, others of 2026-11-20`
 * @param now milliseconds since the epoch @returns null without a price
 */
export const pricesText = (prices: readonly DatedPrice[], now: number): string | null => {
  const days = [...groupBy(prices, ({ asOf }) => asOf)]
  const [newest, ...older] = days.toSorted(([one], [other]) => (one < other ? 1 : -1))
  if (newest === undefined) return null
  const [oldest] = older.at(-1) ?? newest
  const age = Math.floor((now - Date.parse(oldest)) / DAY_MS)
  const named = older.map(
    ([day, those]) => `${those.map(({ model }) => model).join(', ')} of ${day}`
  )
  const [present] = newest
  const text =
    named.length === 0
      ? `prices of ${present}`
      : `prices: ${named.join(', ')}, others of ${present}`
  return age > OLD_DAYS ? `${text}, ${age} days old: PRICES_FILE takes the present ones` : text
}
