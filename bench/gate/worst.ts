/** The figures that a run is judged by: the worst setting of each kind. */
import { withBar, type Figures } from '../../test/kit/report.ts'

import { BROKEN } from './mix-parts.ts'
import { PROMISES } from './promises/parts.ts'
import { ALPHA } from './rules.ts'

/**
 * The worst of the limits that have a bar. @param unit of one of them
 * @param prefixes of their names
 */
const worst = (name: string, figures: Figures, unit: string, prefixes: string[]): Figures => {
  const values = Object.entries(figures).flatMap(([own, { value, bar }]) =>
    bar !== undefined && prefixes.some((prefix) => own.startsWith(prefix)) ? [Number(value)] : []
  )
  if (values.length === 0) return {}
  const ofAll = { value: Math.max(...values), unit: `${unit}, worst of ${values.length} settings` }
  return { [name]: withBar(ofAll, '<=', ALPHA) }
}

const [DRAWN, COMPUTED] = ['false_promotion_upper_95_', 'false_promotion_exact_']

/** Largest limits by kind of world, and over all without a shift. */
export const worstOf = (figures: Figures): Figures => {
  const limit = 'share of draws, upper 95 % limit'
  const ofMix = (mix: string): Figures =>
    worst(`promise_broken_${mix}`, figures, limit, [`${BROKEN}${mix}`])
  return {
    ...worst('false_promotion_worst_upper_95', figures, limit, [DRAWN]),
    ...worst('false_promotion_worst_exact', figures, 'share, computed', [COMPUTED]),
    ...ofMix('repeats'),
    ...ofMix('tools'),
    ...ofMix('conversations'),
    ...Object.assign({}, ...PROMISES.map(ofMix)),
    ...worst('promise_broken_worst', figures, 'share, upper 95 % limit or computed', [
      DRAWN,
      COMPUTED,
      BROKEN,
    ]),
  }
}
