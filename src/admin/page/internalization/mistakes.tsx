/** The newest mistakes of a live route, or the surest ones of a candidate, each in a few lines. */
import type { ShownPair } from '../../../lifecycle/ratings/rating.ts'
import { recordPath, withQuery } from '../address.ts'
import type { ShownAnswer } from '../answers/load-answers.ts'
import { MarkedAnswers } from '../parts/marked-answers.tsx'
import { Line } from '../parts/text.tsx'

/** A question with a wrong answer of the small model; null: the text was deleted. */
export interface Mistake {
  recordId: string | null
  question: string | null
  /** the upstream's answer */
  right: string | null
  wrong: string | null
}

export const mistakeOfPair = ({ recordId, query, answers, revealed }: ShownPair): Mistake => {
  const lora = revealed?.lora ?? 'a'
  return {
    recordId,
    question: query,
    right: answers?.[lora === 'a' ? 'b' : 'a'] ?? null,
    wrong: answers?.[lora] ?? null,
  }
}

export const mistakeOfAnswer = (answer: ShownAnswer): Mistake => ({
  recordId: answer.recordId,
  question: answer.query,
  right: answer.promptedAnswer,
  wrong: answer.adaptedAnswer === '' ? null : answer.adaptedAnswer,
})

const DELETED = 'The text was deleted from the log.'
const QUESTION_CHARS = 160
/** Of an answer: more is on the page of all mistakes. */
const ANSWER_CHARS = 160

const MistakeItem = ({ mistake, model }: { mistake: Mistake; model: string }) => {
  const { recordId, question, right, wrong } = mistake
  const whole = recordId === null ? null : recordPath(recordId)
  return (
    <li>
      <p>
        {question === null ? DELETED : <Line text={question} chars={QUESTION_CHARS} />}{' '}
        {whole !== null && <a href={whole}>its record</a>}
      </p>
      {right !== null && wrong !== null && (
        <MarkedAnswers
          prompted={{ name: model, text: right, whole }}
          adapted={{ name: 'the small model', text: wrong, whole: null }}
          chars={ANSWER_CHARS}
        />
      )}
    </li>
  )
}

interface MistakesProps {
  mistakes: Mistake[]
  /** address of the internalization */
  path: string
  /** the upstream's */
  model: string
  /** whether it answers requests, or would */
  isLive: boolean
}

export const Mistakes = ({ mistakes, path, model, isLive }: MistakesProps) => (
  <section>
    <h2>{isLive ? 'The newest mistakes' : 'Its most confident mistakes'}</h2>
    {mistakes.length === 0 ? (
      <p class="empty">
        {isLive
          ? 'No compared request disagrees.'
          : 'All held-out answers above the threshold agree.'}
      </p>
    ) : (
      <ol class="mistakes">
        {mistakes.map((mistake) => (
          <MistakeItem mistake={mistake} model={model} />
        ))}
      </ol>
    )}
    <p>
      {isLive ? (
        <>
          <a href={withQuery(`${path}/pairs`, { revealed: 'true', outcome: 'disagreed' })}>
            All disagreements
          </a>{' '}
          · <a href={`${path}/pairs`}>Rate pairs blind</a>
        </>
      ) : (
        <a href={withQuery(`${path}/answers`, { kind: 'wrong' })}>
          All mistakes that a client would get
        </a>
      )}
    </p>
  </section>
)
