/** The provider's cache for requests that no template has. */
import { count } from '../cost/figure-text.ts'
import { cacheReport, type CacheReport, type CacheReportSettings } from './cache-report.ts'
import type { CacheFinding } from './finding.ts'

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
  `about ${count(requests)} requests to ${model} without a template`
