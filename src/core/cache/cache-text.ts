/** Why the provider's cache is not read, in words, for the terminal and the pages. May have texts of the log. */
import { count, share, usd } from '../cost/figure-text.ts'
import type { CacheReport, CauseReport } from './cache-report.ts'

const savesText = ({ usdPerMonth }: CauseReport): string =>
  usdPerMonth === null ? '' : ` Saves ${usd(usdPerMonth)} a month.`

/** What differs, what to change, and what that saves. */
export const causeText = (found: CauseReport): string =>
  `${found.cause}${found.firstDifference === null ? '' : ` (${found.firstDifference})`}: ${found.mend}${savesText(found)}`

const headText = ({
  stablePrefixTokens,
  providerMinimumTokens: least,
  cachedShare,
}: CacheReport): string =>
  [
    `nine of ten requests share their first ${count(stablePrefixTokens)} tokens with an earlier one`,
    least > 0 && `the provider caches from ${count(least)} tokens on`,
    cachedShare !== null && `${share(cachedShare)} of the prompt tokens are read from the cache`,
  ]
    .filter((part) => part !== false)
    .join('; ')

/** Of the prompt tokens: a smaller difference is the provider's routing and its steps. */
const UNEXPLAINED_SHARE = 0.3

/** Null unless the provider reads much less than the texts of the requests allow. */
const unexplainedText = ({ cachedShare, readableShare, causes }: CacheReport): string | null =>
  causes.length > 0 || cachedShare === null || readableShare - cachedShare < UNEXPLAINED_SHARE
    ? null
    : `the provider read ${share(cachedShare)} of the prompt tokens from its cache, and ${share(readableShare)} ` +
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
