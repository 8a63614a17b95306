/** An answer while it is generated: what of it may be given, and when. Knows nothing of engines and connections. */
import { isCallText } from '../../core/answer/calls.ts'
import { answerFault, endingFault, type AnswerFault } from '../../core/answer/answer-rules.ts'
import type { AnswerFormats } from '../../core/answer/schema/answer-schema.ts'
import { LogprobReader } from '../../core/route/confidence.ts'
import { factFault } from '../../core/facts/fact-fault.ts'
import type { MatchedRoute } from '../../core/route/route-table.ts'
import type { Route } from '../../core/route/route.ts'
import type { GeneratedDelta } from '../../engine/engine.ts'
import { AppError } from '../../errors.ts'
import type { ChatRequest, FinishReason, TokenLogprob, Usage } from '../../openai/chat.ts'
import type { FaultReason } from '../reasons.ts'

/** The API's number for a token that is next to impossible; JSON has no infinite ones. */
const IMPOSSIBLE = -9999

interface Entry {
  token: string
  logprob: number
  bytes: number[]
}

/** An engine gives no bytes where they are those of the token's text. */
const entryOf = ({ token, logprob, bytes }: Omit<TokenLogprob, 'top_logprobs'>): Entry => ({
  token,
  logprob: Number.isFinite(logprob) ? logprob : IMPOSSIBLE,
  bytes: bytes ?? [...Buffer.from(token)],
})

/**
 * The tokens that an answer's text consists of. A token behind them ends the answer, and the API does not list it.
 * @param tokens of the engine, in their order
 * @param alternatives how many other tokens the client wants beside each, 0 to 20
 * @returns null where the tokens are not those of the text, as of a text cut at a stop string, or where there are
 * no alternatives
 */
const contentLogprobs = (
  tokens: readonly TokenLogprob[],
  content: string,
  alternatives: number
): TokenLogprob[] | null => {
  const wanted = Buffer.from(content)
  const listed: TokenLogprob[] = []
  let length = 0
  for (const { top_logprobs: others, ...token } of tokens) {
    if (length === wanted.length) break
    const entry = entryOf(token)
    const isNext = wanted
      .subarray(length, length + entry.bytes.length)
      .equals(Buffer.from(entry.bytes))
    if (!isNext || (alternatives > 0 && others.length === 0)) return null
    length += entry.bytes.length
    listed.push({ ...entry, top_logprobs: others.slice(0, alternatives).map(entryOf) })
  }
  return length === wanted.length ? listed : null
}

export type LoraAnswer =
  | {
      given: true
      content: string
      confidence: number
      /** null where the request does not ask for them */
      logprobs: readonly TokenLogprob[] | null
      usage: Usage | null
    }
  | {
      given: false
      reason: FaultReason
      /** null without a finished answer */
      confidence: number | null
      /** usage until then, where the engine reports it while it generates */
      usage: Usage | null
    }

/** The client's request, what of it the lora reads, and the rule that it is answered by. */
export interface Routable extends MatchedRoute {
  request: ChatRequest
}

/** An answer that may be given. */
export type GivenAnswer = Extract<LoraAnswer, { given: true }>

/** An answer that is not given. */
export const fault = (reason: FaultReason, confidence: number | null = null): LoraAnswer => ({
  given: false,
  reason,
  confidence,
  usage: null,
})

export class Draft {
  content = ''
  usage: Usage | null = null
  private finishReason: FinishReason | null = null
  private readonly logprobs: TokenLogprob[] = []
  private readonly reader = new LogprobReader()

  constructor(private readonly asked: Routable) {}

  private get route(): Route {
    return this.asked.route
  }

  add(delta: GeneratedDelta): void {
    this.content += delta.text
    this.logprobs.push(...delta.logprobs)
    for (const { logprob } of delta.logprobs) this.reader.add(logprob)
    this.finishReason = delta.finishReason ?? this.finishReason
    this.usage = delta.usage ?? this.usage
  }

  get confidence(): number {
    return this.reader.confidence(this.route.confidence)
  }

  /** Whether no further token can make it sure. */
  get isLost(): boolean {
    return this.isUnsure && this.reader.canOnlyFall(this.route.confidence)
  }

  /** Written so that NaN counts as below the threshold. */
  get isUnsure(): boolean {
    return !(this.confidence >= this.route.threshold)
  }

  /** @throws AppError `engine-unavailable` where the engine did not end the answer */
  private faultOfEnd(): AnswerFault | null {
    const hasOneConfidence = this.route.model?.hasLogprobs === false
    const ending = endingFault(this.finishReason, hasOneConfidence ? null : this.logprobs.length)
    if (ending !== 'engine-error') return ending
    throw new AppError(
      'engine-unavailable',
      `the answer ended ${this.finishReason ?? 'without a reason'}`
    )
  }

  private faultOfText(formats: AnswerFormats): AnswerFault | null {
    const { content, route } = this
    const { request, match } = this.asked
    return answerFault(content, request, route, formats) ?? factFault(match, route.answers, content)
  }

  private given(logprobs: readonly TokenLogprob[] | null): LoraAnswer {
    const { content, confidence, usage } = this
    return { given: true, content, confidence, logprobs, usage }
  }

  judge(formats: AnswerFormats): LoraAnswer {
    const { content, confidence } = this
    const { request } = this.asked
    const ending = this.faultOfEnd()
    if (ending) return fault(ending, ending === 'length' ? confidence : null)
    if (this.isUnsure) return fault('low-confidence', confidence)
    const broken = this.faultOfText(formats)
    if (broken) return fault(broken, confidence)
    if (request.logprobs !== true) return this.given(null)
    // those of a call would be of a text that the client does not get
    const logprobs = isCallText(content)
      ? null
      : contentLogprobs(this.logprobs, content, request.top_logprobs ?? 0)
    return logprobs ? this.given(logprobs) : fault('no-logprobs', confidence)
  }
}
