/** Held-out answers as a person reads them: the question, both answers, and what the gate makes of them. */
import { Badge, type Tone } from '../parts/figures.tsx'
import { percent } from '../parts/format.ts'
import { recordPath } from '../address.ts'
import { Line, Text } from '../parts/text.tsx'
import type { ShownAnswer } from './load-answers.ts'
import { MarkedAnswers } from '../parts/marked-answers.tsx'

export interface AnswerListProps {
  answers: ShownAnswer[]
  /** the upstream's */
  model: string
  /** address of this list's internalization, and the arm whose answers these are */
  path: string
  arm: number
}

const DELETED = 'This text was deleted from the log.'

/** In place of an answer of the upstream that is not plain text. */
const withoutText = (outcome: string | null): string =>
  outcome === null || outcome === 'unreadable' ? DELETED : `[${outcome}]`

const noAnswer = ({ query }: ShownAnswer): string =>
  query === null ? DELETED : 'The small model was not asked.'

/** Green is an answer that agrees and is given, red one that is wrong: worst where a client would get it. */
const badgesOf = (answer: ShownAnswer): [Tone, string][] => {
  const { row, foundLate, agrees, isAboveThreshold } = answer
  if (row.deferred !== null) return [['plain', `always left to the upstream: ${row.deferred}`]]
  const judged: [Tone, string] = agrees
    ? ['good', 'agrees']
    : ['bad', foundLate === null ? 'disagrees' : `found after its beginning: ${foundLate}`]
  if (isAboveThreshold === null) return [judged]
  if (!isAboveThreshold) return [judged, ['plain', 'below the threshold']]
  return agrees
    ? [['good', 'agrees: a client would get it']]
    : [['bad', 'wrong, and a client would get it'], ...(foundLate === null ? [] : [judged])]
}

const Badges = (answer: ShownAnswer) => (
  <p>
    {badgesOf(answer).map(([tone, words]) => (
      <>
        <Badge tone={tone}>{words}</Badge>{' '}
      </>
    ))}
    similarity {percent(answer.similarity)}, probability {percent(Math.exp(answer.confidence))}
    {answer.fieldsApart.length > 0 && (
      <>
        ; differs in <Line text={answer.fieldsApart.join(', ')} chars={300} />
      </>
    )}
  </p>
)

const Answers = ({
  answer,
  model,
  path,
  arm,
}: Omit<AnswerListProps, 'answers'> & { answer: ShownAnswer }) => {
  const { recordId, promptedAnswer, adaptedAnswer, outcome } = answer
  const adapted = {
    name: 'the small model',
    text: adaptedAnswer,
    whole: `${path}/answers/${encodeURIComponent(recordId)}/text?arm=${arm}`,
  }
  if (promptedAnswer !== null && adaptedAnswer !== '')
    return (
      <MarkedAnswers
        prompted={{
          name: model,
          text: promptedAnswer,
          whole: `${recordPath(recordId)}/response.txt`,
        }}
        adapted={adapted}
      />
    )
  return (
    <div class="sides">
      <div>
        <small>{model}</small>
        {promptedAnswer === null ? (
          withoutText(outcome)
        ) : (
          <Text text={promptedAnswer} whole={`${recordPath(recordId)}/response.txt`} />
        )}
      </div>
      <div>
        <small>{adapted.name}</small>
        {adaptedAnswer === '' ? (
          noAnswer(answer)
        ) : (
          <Text text={adaptedAnswer} whole={adapted.whole} />
        )}
      </div>
    </div>
  )
}

const Answer = ({
  answer,
  ...context
}: Omit<AnswerListProps, 'answers'> & { answer: ShownAnswer }) => {
  const { recordId, query, freshUpstreamAnswer } = answer
  const record = recordPath(recordId)
  return (
    <article class="panel">
      <Badges {...answer} />
      <div>
        <small>
          the question (<a href={record}>its record</a>)
        </small>
        {query === null ? DELETED : <Text text={query} whole={`${record}/request.txt`} />}
      </div>
      <Answers answer={answer} {...context} />
      {freshUpstreamAnswer !== null && freshUpstreamAnswer !== '' && (
        <div>
          <small>{context.model}, asked a second time</small>
          <Text text={freshUpstreamAnswer} />
        </div>
      )}
    </article>
  )
}

export const AnswerList = ({ answers, ...context }: AnswerListProps) => (
  <div class="stack">
    {answers.map((answer) => (
      <Answer answer={answer} {...context} />
    ))}
  </div>
)
