/**
 * One label of 77 changes its meaning in a live route: is it withheld, and does the rest of the route stay? Audited
 * requests are read by the product's own functions.
 */
import { addLoss, evidenceOfRise, NO_STREAM } from '../../src/core/rollout/evidence.ts'
import { AnswerReader } from '../../src/core/rollout/withheld.ts'
import { spread, withBar, type Figures } from '../../test/kit/report.ts'
import { ALARM_CAPITAL, ROLLBACK_CAPITAL } from './capital.ts'
import { MARGIN, repeat, shareFigure, type Run } from './run.ts'

const LABELS = Array.from({ length: 77 }, (_, i) => `label ${i}`)
const CHANGED = 0
/** Of each label before the change, and of all others after it. */
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

const live = (random: () => number, changes: boolean): Life => {
  const reader = new AnswerReader(LABELS)
  let stream = NO_STREAM
  let withheld: string[] = []
  let decidedAt = AFTER
  for (let i = 0; i < BEFORE + AFTER; i++) {
    const label = Math.floor(random() * LABELS.length)
    const answer = LABELS[label]!
    if (withheld.includes(answer)) continue
    const isWrong = changes && label === CHANGED && i >= BEFORE ? true : random() < LOSS
    reader.read({ answer, outcome: isWrong ? 'disagreed' : 'agreed', rating: null })
    stream = addLoss(stream, Number(isWrong))
    if (i % LOOK !== 0) continue
    const wrong = reader.wrong(ALARM_CAPITAL, 0).map((one) => one.answer)
    if (wrong.length > withheld.length) [withheld, decidedAt] = [wrong, i - BEFORE]
    else if (evidenceOfRise(stream, MARGIN, 0) >= Math.log(ROLLBACK_CAPITAL))
      return { withheld, isRolledBack: true, pairs: i - BEFORE }
  }
  return { withheld, isRolledBack: false, pairs: decidedAt }
}

/** The changed label is withheld, no other one is, and the route is kept. */
const isNarrowed = ({ withheld, isRolledBack }: Life): boolean =>
  !isRolledBack && withheld.length === 1 && withheld[0] === LABELS[CHANGED]

export const measureWithheld = async (run: Run): Promise<Figures> => {
  const draws = Math.ceil(run.draws / 10)
  const changed = await repeat('narrowed', draws, run, () => live(run.random, true))
  const steady = await repeat('steady labels', draws, run, () => live(run.random, false))
  const found = changed.filter(isNarrowed).map(({ pairs }) => pairs)
  return {
    narrowed_not_lost: withBar(shareFigure(changed.map(isNarrowed)), '>=', KEPT_SHARE),
    ...(found.length > 0 && {
      narrowed_after: spread(found, 'audited requests after the change'),
    }),
    withheld_by_chance: shareFigure(steady.map(({ withheld }) => withheld.length > 0)),
  }
}
