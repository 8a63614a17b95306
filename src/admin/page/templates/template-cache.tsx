/** Why the provider's cache is not read for the requests of a template. Pure. */
import { cacheLines } from '../../../core/cache/cache-report.ts'
import type { TemplateCache } from '../../../savings/caches.ts'
import { Time } from '../parts/figures.tsx'
import { Line } from '../parts/text.tsx'

/** Nothing where nothing is to be mended. */
export const Cache = ({ cache }: { cache: TemplateCache | null }) => {
  if (cache === null) return null
  const lines = cacheLines(cache)
  if (lines === null) return null
  const { at, usdUnknown } = cache
  return (
    <section id="cache">
      <h2>The provider’s cache</h2>
      <p>
        <Line text={lines.head} chars={600} />
      </p>
      {lines.causes.length > 0 && (
        <ul>
          {lines.causes.map((cause) => (
            <li>
              <Line text={cause} chars={600} />
            </li>
          ))}
        </ul>
      )}
      <p>
        From the newest requests of the log, read at <Time at={at} /> UTC.
        {usdUnknown !== null && (
          <>
            {' '}
            Dollars are not known: <Line text={usdUnknown} chars={300} />.
          </>
        )}
      </p>
    </section>
  )
}
