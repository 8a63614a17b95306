/** What a run trains on: one recurring prompt with its exchanges. */
import type { FewShot } from '../../../src/core/template/prompt.ts'
import type { Match, Template } from '../../../src/core/template/template.ts'
import type { ChatRequest } from '../../../src/openai/chat.ts'
import type { MatchedExchange } from '../../../src/worker/exchanges/exchanges.ts'

export interface Subject {
  name: string
  template: Template
  /** The few-shot examples of the prompt. Null: the first exchanges that train are shown as examples. */
  examples: FewShot[] | null
  /** Exchanges to train on, different ones first for each seed; none of them is in `test`. */
  train(seed: number): MatchedExchange[]
  /** The same for all seeds. */
  test: MatchedExchange[]
  isRight(answer: string, exchange: MatchedExchange): boolean
}

/** Exchanges that are shown where a subject has no examples of its own. */
export const SHOWN_EXAMPLES = 3

export const exchangeOf = (
  id: string,
  { match, request, answer }: { match: Match; request: ChatRequest; answer: string }
): MatchedExchange => ({
  id,
  at: 0,
  conversation: id,
  query: match.query,
  outcome: { kind: 'text', text: answer },
  match,
  request,
  fingerprint: null,
  upstreamModel: null,
  isSample: true,
  caller: '',
})

export interface Shown {
  examples: FewShot[]
  /** exchanges that a stage with examples must not train on, because they are in its prompt */
  shownIds: Set<string>
}

/** @param train the exchanges of a cell */
export const shownExamples = (
  { examples }: Pick<Subject, 'examples'>,
  train: readonly MatchedExchange[]
): Shown => {
  if (examples !== null) return { examples, shownIds: new Set() }
  const shown = train.slice(0, SHOWN_EXAMPLES)
  return {
    examples: shown.map(({ query, outcome }) => ({
      query,
      answer: outcome.kind === 'text' ? outcome.text : '',
    })),
    shownIds: new Set(shown.map(({ id }) => id)),
  }
}
