/** Sends a logged request to another model, with the operator's key. */
import { isSuccess } from '../../core/http-status.ts'
import type { StoredRecord } from '../../core/log/record.ts'
import { AppError } from '../../errors.ts'
import { errorMessageIn } from '../../openai/error-body.ts'
import type { AskUpstream, UpstreamAnswer } from '../replay.ts'
import { withModel } from './plan.ts'

/** Of a request that comes too soon, or that the upstream has no room for. */
const [TRIES, WAIT_MS, MAX_WAIT_MS] = [4, 1_000, 30_000]
/** Refused requests before the first answer, after which the model is taken to be not there. */
const MAX_FIRST_REFUSALS = 5

export interface SendDeps {
  ask: AskUpstream
  now: () => number
  sleep: (ms: number) => Promise<void>
}

/** `lost`: it may have been charged; `not-sent`: the operator's key must not go there; `refused`: for the moment. */
export type NoAnswer = 'lost' | 'not-sent' | 'refused'

/** A body with the milliseconds to its end, or why the new model gives none to this request. */
export type SentAnswer = { body: string; ms: number } | { refused: string; ms: number }

const messageOf = ({ status, body }: UpstreamAnswer): string => {
  const message = errorMessageIn(body)
  return message === null ? String(status) : `${status}: ${message}`
}

/** Of the request and not of the moment: with the new model it is not possible. No redirect is followed. */
const isRefusal = (status: number): boolean =>
  status >= 300 && status < 500 && status !== 408 && status !== 429

export class Sender {
  private readonly deps: SendDeps
  private readonly to: string
  private readonly hasAnswered: () => boolean
  private refusals = 0
  private answers = 0

  /** @param to the new model @param hasAnswered in an earlier run, whose refused requests are now the first ones */
  constructor(deps: SendDeps, to: string, hasAnswered: () => boolean) {
    this.deps = deps
    this.to = to
    this.hasAnswered = hasAnswered
  }

  /** @throws AppError `upstream-unavailable` where the model is not there */
  async send(record: StoredRecord): Promise<SentAnswer | NoAnswer> {
    const { now } = this.deps
    const begun = now()
    const answer = await this.ask(record)
    if (typeof answer === 'string') return answer
    const ms = now() - begun
    if (isRefusal(answer.status)) return { refused: this.refused(answer), ms }
    this.answers++
    return { body: answer.body, ms }
  }

  private refused(answer: UpstreamAnswer): string {
    const message = messageOf(answer)
    const isGone = [401, 403, 404].includes(answer.status)
    this.refusals++
    const isNeverThere = this.refusals >= MAX_FIRST_REFUSALS && !this.hasAnswered()
    if (this.answers === 0 && (isGone || isNeverThere))
      throw new AppError(
        'upstream-unavailable',
        `the upstream does not answer with ${this.to}: ${message}`
      )
    return message
  }

  /**
   * A request that was lost on its way may have been charged, so it is not repeated; one that was refused for the
   * moment is. @returns why it has no answer, where it has none
   */
  private async ask(record: StoredRecord): Promise<UpstreamAnswer | NoAnswer> {
    const { ask, sleep } = this.deps
    const asked = { ...record, request: withModel(record.request, this.to) }
    for (let attempt = 1; ; attempt++) {
      const answer = await ask(asked).catch(() => 'lost' as const)
      if (answer === null) return 'not-sent'
      if (answer === 'lost' || isSuccess(answer.status) || isRefusal(answer.status)) return answer
      if (attempt === TRIES) return 'refused'
      await sleep(Math.min(MAX_WAIT_MS, answer.retryAfterMs ?? WAIT_MS * 2 ** attempt))
    }
  }
}
