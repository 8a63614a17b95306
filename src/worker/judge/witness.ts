/** What says whether two answers that are not equal are the same: a judge, or the operator's checker. */
import type { Comparison } from '../../core/answer/agreement.ts'
import type { ComparedAnswer } from '../../core/judge/verdict.ts'
import { reasonText } from '../../core/reasons/say-reason.ts'
import type { Reason } from '../../core/reason.ts'
import { AppError } from '../../errors.ts'
import type { ChatMessage } from '../../openai/chat.ts'

/** It does not answer for the moment, or is another one: what needs it waits. */
export class WitnessUnavailable extends AppError {
  constructor(
    readonly reason: Reason,
    options: { cause?: unknown } = {}
  ) {
    super('upstream-unavailable', reasonText(reason), options)
  }
}

/** Two answers to one request. */
export interface ComparedAnswers {
  /** what they answer */
  request: string
  /** the upstream's first one */
  first: string
  other: string
}

/** With the messages of the whole request: a schema, say, is in its constant part. */
export interface WitnessedAnswers extends ComparedAnswers {
  messages: readonly ChatMessage[]
}

export interface Witness {
  /**
   * Equal answers are the same without a question.
   * @returns null where no money is left for it
   * @throws WitnessUnavailable where it does not answer for the moment
   */
  compare(comparison: Comparison, answers: WitnessedAnswers): Promise<ComparedAnswer | null>
  /** US dollars that it has cost since it was opened */
  spentUsd(): number
}
