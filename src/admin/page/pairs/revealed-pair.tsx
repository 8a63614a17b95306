/** An audited request with both answers, when a person may know whose they are. */
import type { Rating } from '../../../core/rollout/pair.ts'
import type { ShownPair } from '../../../lifecycle/ratings/rating.ts'
import { Badge, Time } from '../parts/figures.tsx'
import { outcomeName, PAIR_WORDS } from '../../../views/say-rollout.ts'
import { percent } from '../../../core/figure-text.ts'
import { MarkedAnswers } from '../parts/marked-answers.tsx'
import { reasonText } from '../parts/reason-text.ts'
import { recordPath } from '../address.ts'
import { Line, Text } from '../parts/text.tsx'

export const DELETED = 'This text was deleted from the log.'

/** Address of an answer of a pair as plain text. @param path of the internalization */
export const wholeAnswer = (path: string, place: number, name: 'a' | 'b'): string =>
  `${path}/pairs/${place}/${name}.txt`

const ratingText = (rating: Rating, model: string): string =>
  ({
    lora: 'a person said that the small model alone is right',
    upstream: `a person said that ${model} alone is right`,
    both: 'a person said that both are right',
    neither: 'a person said that neither is right',
  })[rating]

/** What the end user asked. Its record has the upstream's answer, so it is not linked from a blind pair. */
export const Question = ({ pair }: { pair: ShownPair }) => {
  const { at, query, recordId, revealed } = pair
  const record = recordId === null ? null : recordPath(recordId)
  return (
    <div>
      <small>
        <Time at={at} />, the question
        {record !== null && revealed !== null && (
          <>
            {' '}
            (<a href={record}>its record</a>)
          </>
        )}
      </small>
      {query === null ? (
        DELETED
      ) : (
        <Text text={query} {...(record && { whole: `${record}/request.txt` })} />
      )}
    </div>
  )
}

interface RevealedPairProps {
  pair: ShownPair
  revealed: NonNullable<ShownPair['revealed']>
  /** the upstream's */
  model: string
  /** address of the internalization */
  path: string
  isJudged: boolean
}

type FactsProps = Pick<RevealedPairProps, 'revealed' | 'model' | 'isJudged'>

const Facts = ({ revealed, model, isJudged }: FactsProps) => {
  const { outcome, reason, confidence, rating } = revealed
  const facts = [
    ...(confidence === null ? [] : [`probability ${percent(Math.exp(confidence))}`]),
    ...(rating === null ? [] : [ratingText(rating, model)]),
  ]
  return (
    <p>
      <Badge tone={PAIR_WORDS[outcome].tone}>{outcomeName(outcome, isJudged)}</Badge>{' '}
      {reason !== null && <Line text={`${reasonText(reason)}; `} />}
      {facts.join(', ')}
    </p>
  )
}

export const RevealedPair = ({ pair, revealed, model, path, isJudged }: RevealedPairProps) => {
  const { answers, place } = pair
  const { lora, secondUpstreamAnswer: second } = revealed
  const upstream = lora === 'a' ? 'b' : 'a'
  return (
    <>
      <Facts revealed={revealed} model={model} isJudged={isJudged} />
      <Question pair={pair} />
      {answers === null ? (
        <p>{revealed.outcome === 'unusable' ? 'There are no two answers.' : DELETED}</p>
      ) : (
        <MarkedAnswers
          prompted={{
            name: model,
            text: answers[upstream],
            whole: wholeAnswer(path, place, upstream),
          }}
          adapted={{
            name: 'the small model',
            text: answers[lora],
            whole: wholeAnswer(path, place, lora),
          }}
        />
      )}
      {second !== null && (
        <div>
          <small>{model}, asked a second time</small>
          <Text text={second} />
        </div>
      )}
    </>
  )
}
