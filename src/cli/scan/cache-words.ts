/** Why the provider's cache is not read, on the terminal. Pure. */
import type { CacheReport } from '../../core/cache/cache-report.ts'
import { cacheLines } from '../../core/cache/cache-text.ts'
import { otherTitle, type OtherCache } from '../../core/cache/other-caches.ts'
import { visibleName } from '../../visible-text.ts'

/** '' where there is nothing to mend. */
export const cacheText = (cache: CacheReport): string => {
  const lines = cacheLines(cache)
  return lines === null
    ? ''
    : [lines.head, ...lines.causes.map((line) => `  ${visibleName(line)}`)].join('\n')
}

/** Of requests without a template; '' where there is nothing to mend. */
export const otherCachesText = (others: readonly OtherCache[]): string =>
  others
    .flatMap((other) => {
      const text = cacheText(other.cache)
      return text === '' ? [] : [`${visibleName(otherTitle(other))}: ${text}`]
    })
    .join('\n')
