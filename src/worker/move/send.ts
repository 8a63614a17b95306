/** Sends a logged request to another model, with the operator's key. */
import type { StoredRecord } from '../../core/log/record.ts'
import { AppError } from '../../errors.ts'
import {
  askModel,
  isRefusal,
  refusalText,
  type AskDeps,
  type AskedModel,
  type NoAnswer,
} from '../answers/ask-model.ts'
import type { UpstreamAnswer } from '../deps.ts'

/** Refused requests before the first answer, after which the model is taken to be not there. */
const MAX_FIRST_REFUSALS = 5

export interface SendDeps extends AskDeps {
  now: () => number
}

/** A body with the milliseconds to its end, or why the new model gives none to this request. */
export type SentAnswer = { body: string; ms: number } | { refused: string; ms: number }

export class Sender {
  private readonly deps: SendDeps
  private readonly model: AskedModel
  private readonly hasAnswered: () => boolean
  private refusals = 0
  private answers = 0

  /** @param model the new one @param hasAnswered in an earlier run, whose refused requests are now the first ones */
  constructor(deps: SendDeps, model: AskedModel, hasAnswered: () => boolean) {
    this.deps = deps
    this.model = model
    this.hasAnswered = hasAnswered
  }

  /** @throws AppError `upstream-unavailable` where the model is not there */
  async send(record: StoredRecord): Promise<SentAnswer | NoAnswer> {
    const { now } = this.deps
    const begun = now()
    const answer = await askModel(this.deps, record, this.model)
    if (typeof answer === 'string') return answer
    const ms = now() - begun
    if (isRefusal(answer.status)) return { refused: this.refused(answer), ms }
    this.answers++
    return { body: answer.body, ms }
  }

  private refused(answer: UpstreamAnswer): string {
    const message = refusalText(answer)
    const isGone = [401, 403, 404].includes(answer.status)
    this.refusals++
    const isNeverThere = this.refusals >= MAX_FIRST_REFUSALS && !this.hasAnswered()
    if (this.answers === 0 && (isGone || isNeverThere))
      throw new AppError(
        'upstream-unavailable',
        `the upstream does not answer with ${this.model.name}: ${message}`
      )
    return message
  }
}
