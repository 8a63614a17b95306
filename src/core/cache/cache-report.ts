/** Why a prompt's cache is not read, what to change, and what that would save, for a person and for programs. */
import { priceAt, findPrice, leastCachedTokens, PER_MILLION, type Price } from '../cost/prices.ts'
import type { Difference, CacheCause, CacheFinding, FoundCause } from './finding.ts'
import { percent, roundDollars, whole } from '../figure-text.ts'

export interface CauseReport {
  cause: CacheCause
  /** where the requests differ; with texts of the log only where they were asked for; null for what is not in the text */
  firstDifference: string | null
  /** one sentence */
  mend: string
  /** what it saves after the causes before it are mended; null where `usdUnknown` says why */
  usdPerMonth: number | null
}

/** Tokens are those of one request, dollars those of a month. */
export interface CacheReport {
  /** of the prefix that nine of ten requests share with an earlier one */
  stablePrefixTokens: number
  /** the provider caches no shorter prefix; 1,024 where the price does not say */
  providerMinimumTokens: number
  /** of the prompt tokens, 0 to 1; null where the provider does not report it */
  cachedShare: number | null
  /** of the prompt tokens, those whose start an earlier request has left in the cache as far as its text tells, 0 to 1 */
  readableShare: number
  /** what all mends save together, at today's traffic */
  usdPerMonth: number | null
  /** why there are no dollars; null where there are */
  usdUnknown: string | null
  /** day of the price, YYYY-MM-DD; null without one */
  priceAsOf: string | null
  /** the one that costs most first; empty: the cache is read as far as it can be */
  causes: CauseReport[]
}

export interface CacheReportSettings {
  prices: readonly Price[]
  /** requests of the template a month; null where the times of the log do not tell */
  requestsPerMonth: number | null
  /** texts of the log are shown */
  withText: boolean
}

const WORDS: Record<CacheCause, string> = {
  date: 'the date',
  time: 'the time',
  name: 'the name',
  id: 'the identifier',
  counter: 'the counter',
  'tools-order': 'the order of the tools',
  'tools-change': 'the list of tools',
  'retrieved-examples': 'the retrieved examples',
  'user-text-first': "the user's text",
  'below-minimum': 'the length of the constant text',
  gap: 'the time between requests',
  'several-models': 'the model or the key',
}

/** Text in a message of the user is the user's; elsewhere the application put it there. */
const wordOf = (cause: CacheCause, difference: Difference | null): string =>
  cause === 'user-text-first' && difference?.message?.role !== 'user'
    ? 'the text that differs'
    : WORDS[cause]

/** Null for what is not in the text. */
const differenceText = (
  cause: CacheCause,
  difference: Difference | null,
  withText: boolean
): string | null => {
  if (difference === null) return null
  const { message, lead, value, tail } = difference
  const place =
    message === null
      ? WORDS[cause]
      : `${wordOf(cause, difference)} in line ${message.line} of message ${message.number} (${message.role})`
  return withText ? `${place}: ${lead}[${value}]${tail}` : place
}

/** Not one line of the prompt. */
const LONG_TEXTS = new Set<CacheCause>(['retrieved-examples', 'user-text-first'])

/** The line with the difference; without texts of the log, what it is. */
const lineName = ({ cause, difference }: FoundCause, withText: boolean): string => {
  const { lead = '', value = '' } = difference ?? {}
  const isLine = withText && value !== '' && !LONG_TEXTS.has(cause)
  if (!isLine) return wordOf(cause, difference)
  return `the line \`${lead.trim() === '' ? value : `${lead.trim()} …`}\``
}

const manyPlaces = ({ places: { models, credentials } }: CacheFinding): string =>
  models > 1
    ? `Send this prompt to one model: each of its ${models} models has a cache of its own.`
    : `Send this prompt with the credentials of one organization: each of its ${credentials} has a cache of its own.`

/** @param usd that filling it up saves a request; null where the price is not known */
const lengthText = (
  { mendedPrefixTokens }: CacheFinding,
  minimum: number,
  usd: number | null
): string => {
  const [own, least] = [whole(mendedPrefixTokens), whole(minimum)]
  if (usd === null)
    return `Lengthen the constant text from ${own} to ${least} tokens only if cached tokens are cheap enough: without a price it is not known.`
  return usd > 0
    ? `Lengthen the constant text at the start from ${own} to ${least} tokens, for example by constant examples.`
    : `Leave it: the constant text has ${own} tokens, and filling it up to the ${least} that the provider caches costs more than it saves.`
}

const mendOf = (
  found: FoundCause,
  finding: CacheFinding,
  usd: number | null,
  settings: Priced
): string => {
  const { cause } = found
  const { withText, minimum } = settings
  if (cause === 'tools-order') return 'Send the tools in one order, for example sorted by name.'
  if (cause === 'tools-change')
    return 'Send one list of tools with every request, and choose among them with `tool_choice`.'
  if (cause === 'gap')
    return `Ask the provider for a longer cache (\`prompt_cache_retention\`), or send requests in batches: ${percent(finding.lonelyShare)} of them come after the cache has expired.`
  if (cause === 'several-models') return manyPlaces(finding)
  if (cause === 'below-minimum') return lengthText(finding, minimum, usd)
  const move = `Move ${lineName(found, withText)} behind the constant text`
  return cause === 'time' ? `${move}, or leave it out.` : `${move}.`
}

interface Priced extends CacheReportSettings {
  price: Price | null
  minimum: number
}

/** Dollars a request. Filling a short prefix up costs the added tokens at the cached price. */
const usdOf = ({ cause, tokens }: FoundCause, { price, minimum }: Priced): number | null => {
  if (price === null) return null
  const saved = tokens * (price.input - price.cachedInput)
  const added = cause === 'below-minimum' ? (minimum - tokens) * price.cachedInput : 0
  return PER_MILLION * Math.max(0, saved - added)
}

/** Why requests a month are not known. */
export const NO_RATE =
  'the times in the log cover less than a day; a log without times needs --days'

const whyUnknown = (model: string, { price, requestsPerMonth }: Priced): string | null => {
  if (price === null) return `no price of ${model} is known: add it to PRICES_FILE`
  return requestsPerMonth === null ? NO_RATE : null
}

const perMonth = (usd: number | null, requestsPerMonth: number | null): number | null =>
  usd === null || requestsPerMonth === null ? null : usd * requestsPerMonth

const causeReport = (found: FoundCause, finding: CacheFinding, settings: Priced): CauseReport => {
  const usd = usdOf(found, settings)
  return {
    cause: found.cause,
    firstDifference: differenceText(found.cause, found.difference, settings.withText),
    mend: mendOf(found, finding, usd, settings),
    usdPerMonth: perMonth(usd, settings.requestsPerMonth),
  }
}

/** A provider that asks as much for cached tokens has no cache that a mend could use. */
const hasDiscount = (price: Price | null): boolean =>
  price === null || price.input === 0 || price.cachedInput < price.input

/** Dollars are those of a month at the traffic of the log, and at the newest price of the model. */
export const cacheReport = (finding: CacheFinding, given: CacheReportSettings): CacheReport => {
  const { model, promptTokens, stablePrefixTokens, cachedShare, readableShare } = finding
  const standard = findPrice(given.prices, model)
  const price = standard && priceAt(standard, promptTokens, null)
  const minimum = leastCachedTokens(price)
  const settings: Priced = { ...given, price, minimum }
  const found = hasDiscount(price) ? finding.causes : []
  const causes = found.map((each) => causeReport(each, finding, settings))
  const usd = causes.map(({ usdPerMonth }) => usdPerMonth)
  const usdUnknown = whyUnknown(model, settings)
  return {
    stablePrefixTokens,
    providerMinimumTokens: minimum,
    cachedShare,
    readableShare,
    usdPerMonth:
      usdUnknown === null ? usd.reduce<number>((sum, value) => sum + (value ?? 0), 0) : null,
    usdUnknown,
    priceAsOf: price?.asOf ?? null,
    causes,
  }
}

/** Requests of one prompt that no template has. */
export interface OtherCache {
  model: string
  /** about */
  requests: number
  cache: CacheReport
}

/** Prompts of less traffic are left out, and so are those after the first ones. */
const [LEAST_OTHERS, MOST_OTHERS] = [10, 5]

/** @param rateOf requests a month; null: not known @returns most money first, then most requests */
export const otherCachesOf = <Finding extends CacheFinding>(
  findings: readonly Finding[],
  settings: Omit<CacheReportSettings, 'requestsPerMonth'>,
  rateOf: (finding: Finding) => number | null
): OtherCache[] =>
  findings
    .filter(({ version, requests }) => version === null && requests >= LEAST_OTHERS)
    .map((finding): OtherCache => {
      const { model, requests } = finding
      const requestsPerMonth = rateOf(finding)
      return { model, requests, cache: cacheReport(finding, { ...settings, requestsPerMonth }) }
    })
    .toSorted(
      (a, b) => (b.cache.usdPerMonth ?? 0) - (a.cache.usdPerMonth ?? 0) || b.requests - a.requests
    )
    .slice(0, MOST_OTHERS)

export const otherTitle = ({ model, requests }: Pick<OtherCache, 'model' | 'requests'>): string =>
  `about ${whole(requests)} requests to ${model} without a template`

const savesText = ({ usdPerMonth }: CauseReport): string =>
  usdPerMonth === null ? '' : ` Saves ${roundDollars(usdPerMonth)} a month.`

/** What differs, what to change, and what that saves. */
export const causeText = (found: CauseReport): string =>
  `${found.cause}${found.firstDifference === null ? '' : ` (${found.firstDifference})`}: ${found.mend}${savesText(found)}`

const headText = ({
  stablePrefixTokens,
  providerMinimumTokens: least,
  cachedShare,
}: CacheReport): string =>
  [
    `nine of ten requests share their first ${whole(stablePrefixTokens)} tokens with an earlier one`,
    least > 0 && `the provider caches from ${whole(least)} tokens on`,
    cachedShare !== null && `${percent(cachedShare)} of the prompt tokens are read from the cache`,
  ]
    .filter((part) => part !== false)
    .join('; ')

/** Of the prompt tokens: a smaller difference is the provider's routing and its steps. */
const UNEXPLAINED_SHARE = 0.3

/** Null unless the provider reads much less than the texts of the requests allow. */
const unexplainedText = ({ cachedShare, readableShare, causes }: CacheReport): string | null =>
  causes.length > 0 || cachedShare === null || readableShare - cachedShare < UNEXPLAINED_SHARE
    ? null
    : `the provider read ${percent(cachedShare)} of the prompt tokens from its cache, and ${percent(readableShare)} ` +
      'repeat earlier requests: their text is not the reason; look at its routing (`prompt_cache_key`) and its cache marks'

/** A sentence, and a line for each cause; null where there is nothing to say. */
export const cacheLines = (cache: CacheReport): { head: string; causes: string[] } | null => {
  const unexplained = unexplainedText(cache)
  if (unexplained !== null) return { head: unexplained, causes: [] }
  if (cache.causes.length === 0) return null
  const isPriced = cache.usdUnknown === null && cache.priceAsOf !== null
  return {
    head:
      `why the provider's cache is not read: ${headText(cache)}` +
      (isPriced ? ` (price of ${cache.priceAsOf})` : ''),
    causes: cache.causes.map(causeText),
  }
}
