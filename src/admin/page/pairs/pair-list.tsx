/** Pairs to rate, and those that were rated, which show whose answer was whose. */
import type { Right, ShownPair } from '../../../lifecycle/ratings/rating.ts'
import { Badge } from '../parts/figures.tsx'
import { Text } from '../parts/text.tsx'
import { DELETED, Question, RevealedPair, wholeAnswer } from './revealed-pair.tsx'

/** Names of the fields begin with it; the id of the record follows. */
export const FIELD = 'right '

export const CHOICES: { value: Right; name: string }[] = [
  { value: 'both', name: 'both' },
  { value: 'a', name: 'A alone' },
  { value: 'b', name: 'B alone' },
  { value: 'neither', name: 'neither' },
]
export const TAKE_BACK = 'take-back'

const Choices = ({ recordId }: { recordId: string }) => (
  <fieldset class="choices">
    <legend>Which answer is right?</legend>
    {CHOICES.map(({ value, name }) => (
      <label>
        <input type="radio" name={`${FIELD}${recordId}`} value={value} /> {name}
      </label>
    ))}
  </fieldset>
)

interface PairProps {
  pair: ShownPair
  /** address of the internalization */
  path: string
}

const BlindPair = ({ pair, path }: PairProps) => {
  const { answers, recordId, place } = pair
  return (
    <>
      <Question pair={pair} />
      {answers === null || recordId === null ? (
        <p>{DELETED}</p>
      ) : (
        <>
          <div class="sides">
            {(['a', 'b'] as const).map((name) => (
              <div>
                <small>Answer {name.toUpperCase()}</small>
                <Text text={answers[name]} whole={wholeAnswer(path, place, name)} />
              </div>
            ))}
          </div>
          <Choices recordId={recordId} />
        </>
      )}
    </>
  )
}

interface PairListProps {
  pairs: ShownPair[]
  path: string
  /** the upstream's */
  model: string
  /** whether a judge compares the answers */
  isJudged: boolean
}

type Revealed = NonNullable<ShownPair['revealed']>

const Rated = ({ pair, revealed }: { pair: ShownPair; revealed: Revealed }) => (
  <p>
    <Badge tone="plain">rated</Badge> Answer {revealed.lora.toUpperCase()} was the small model’s.{' '}
    {pair.recordId !== null && (
      <label class="inline">
        <input type="checkbox" name={`${FIELD}${pair.recordId}`} value={TAKE_BACK} /> remove the
        rating
      </label>
    )}
  </p>
)

/** @param isRatable false: nothing to choose from */
export const PairList = ({
  pairs,
  path,
  model,
  isJudged,
  isRatable,
}: PairListProps & { isRatable: boolean }) => (
  <div class="stack">
    {pairs.map((pair) => (
      <article class="panel">
        {pair.revealed === null ? (
          <BlindPair pair={pair} path={path} />
        ) : (
          <>
            {isRatable && <Rated pair={pair} revealed={pair.revealed} />}
            <RevealedPair
              pair={pair}
              revealed={pair.revealed}
              model={model}
              path={path}
              isJudged={isJudged}
            />
          </>
        )}
      </article>
    ))}
  </div>
)
