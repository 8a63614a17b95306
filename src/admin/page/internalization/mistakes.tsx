/** The newest answers of a live route with which the upstream disagrees. */
import type { ShownPair } from '../../../../lifecycle/ratings/rating.ts'
import { PairList } from '../../pairs/pair-list.tsx'
import { withQuery } from '../../address.ts'

interface MistakesProps {
  /** revealed, newest first */
  pairs: ShownPair[]
  /** address of the internalization */
  path: string
  /** the upstream's */
  model: string
}

export const Mistakes = ({ pairs, path, model }: MistakesProps) => (
  <section>
    <h2>The newest disagreements</h2>
    {pairs.length === 0 ? (
      <p class="empty">No audited request disagrees.</p>
    ) : (
      <PairList pairs={pairs} path={path} model={model} isRatable={false} />
    )}
    <p>
      <a href={withQuery(`${path}/pairs`, { revealed: 'true', outcome: 'disagreed' })}>
        All disagreements
      </a>{' '}
      · <a href={`${path}/pairs`}>Rate pairs without knowing whose they are</a>
    </p>
  </section>
)
