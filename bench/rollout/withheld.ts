/**
 * One label of 77, or one of ten values of a slot, changes its meaning in a live route, or a new label's requests are
 * taken for those of a known one: is the part withheld, and does the rest of the route stay? Audited requests are read by the product's own functions.
 */
import {
  addLoss,
  evidenceOfRise,
  NO_STREAM,
  type LeastLoss,
} from '../../src/core/rollout/evidence.ts'
import { PartReader } from '../../src/core/rollout/withheld.ts'
import type { RoutePart } from '../../src/core/route/parts.ts'
import { spread, withBar, type Figures } from '../../test/kit/report.ts'
import { ALARM_CAPITAL, ROLLBACK_CAPITAL } from './capital.ts'
import { MARGIN, repeat, shareFigure, type Run } from './run.ts'

const [LABELS, VALUES] = [77, 10]
const PARTS = [
  ...Array.from({ length: LABELS }, (_, i): RoutePart => ({
    kind: 'answer',
    name: `label ${i}`,
    share: 1 / LABELS,
  })),
  ...Array.from({ length: VALUES }, (_, i): RoutePart => ({
    kind: 'request',
    name: `slot=${i}`,
    share: 1 / VALUES,
  })),
]
/** Numbers of the parts that change. */
const [CHANGED_LABEL, CHANGED_VALUE] = [0, LABELS]
/** Of each part before the change, and of all others after it. */
const LOSS = 0.028
/** Audited requests of a route in its last stage, at 3 %: of 33,000 requests before the change, 100,000 after it. */
const [BEFORE, AFTER] = [1_000, 3_000]
const LOOK = 10
const KEPT_SHARE = 0.9

interface Life {
  withheld: string[]
  isRolledBack: boolean
  /** pairs from the change to the decision */
  pairs: number
}

/** What happens to a route. */
interface Change {
  /** number of the part that is wrong after the change; null: none is */
  changed: number | null
  /** of its answers then, by which the upstream gives a new label; all of them are wrong by another reason without it */
  fresh?: number
  /** −1: the upstream is asked again, and repeats its answer */
  least?: LeastLoss
}

const live = (random: () => number, { changed, fresh, least = 0 }: Change): Life => {
  const reader = new PartReader(PARTS)
  let stream = NO_STREAM
  let withheld: string[] = []
  let decidedAt = AFTER
  for (let i = 0; i < BEFORE + AFTER; i++) {
    const parts = [Math.floor(random() * LABELS), LABELS + Math.floor(random() * VALUES)]
    if (parts.some((part) => withheld.includes(PARTS[part]!.name))) continue
    const hasChanged = changed !== null && i >= BEFORE && parts.includes(changed)
    const isNewLabel = hasChanged && fresh !== undefined && random() < fresh
    const isWrong = (hasChanged && fresh === undefined) || isNewLabel || random() < LOSS
    const outcome = isWrong ? 'disagreed' : 'agreed'
    reader.read([{ parts, outcome, rating: null, isNewLabel }])
    stream = addLoss(stream, Number(isWrong))
    if (i % LOOK !== 0) continue
    const wrong = reader.wrong(ALARM_CAPITAL, least).map(({ name }) => name)
    if (wrong.length > withheld.length) [withheld, decidedAt] = [wrong, i - BEFORE]
    else if (evidenceOfRise(stream, MARGIN, least) >= Math.log(ROLLBACK_CAPITAL))
      return { withheld, isRolledBack: true, pairs: i - BEFORE }
  }
  return { withheld, isRolledBack: false, pairs: decidedAt }
}

/** The changed part is withheld, no other one is, and the route is kept. */
const isNarrowed = ({ withheld, isRolledBack }: Life, changed: number): boolean =>
  !isRolledBack && withheld.length === 1 && withheld[0] === PARTS[changed]!.name

/**
 * A value with a tenth of the traffic makes a loss of twelve points: the rollback may come first.
 * @returns whether each route lost the changed part alone, and after how many pairs
 */
const narrowed = async (
  run: Run,
  name: string,
  change: Change & { changed: number }
): Promise<{ kept: boolean[]; after: number[] }> => {
  const { changed } = change
  const lives = await repeat(name, run.draws / 10, run, () => live(run.random, change))
  return {
    kept: lives.map((life) => isNarrowed(life, changed)),
    after: lives.filter((life) => isNarrowed(life, changed)).map(({ pairs }) => pairs),
  }
}

const afterFigure = (name: string, after: number[]): Figures =>
  after.length === 0 ? {} : { [name]: spread(after, 'audited requests after the change') }

export const measureWithheld = async (run: Run): Promise<Figures> => {
  const label = await narrowed(run, 'narrowed', { changed: CHANGED_LABEL })
  const fresh = await narrowed(run, 'new label', { changed: CHANGED_LABEL, fresh: 0.5 })
  const value = await narrowed(run, 'kind of requests', { changed: CHANGED_VALUE })
  const again = await narrowed(run, 'second answers', { changed: CHANGED_VALUE, least: -1 })
  const steady = await repeat('steady parts', run.draws / 10, run, () =>
    live(run.random, { changed: null })
  )
  return {
    narrowed_not_lost: withBar(shareFigure(label.kept), '>=', KEPT_SHARE),
    ...afterFigure('narrowed_after', label.after),
    new_label_not_lost: shareFigure(fresh.kept),
    ...afterFigure('new_label_after', fresh.after),
    kind_not_lost: shareFigure(value.kept),
    ...afterFigure('kind_after', value.after),
    kind_not_lost_second_answers: shareFigure(again.kept),
    withheld_by_chance: shareFigure(steady.map(({ withheld }) => withheld.length > 0)),
  }
}
