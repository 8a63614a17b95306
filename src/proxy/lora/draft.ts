/** An answer while it is generated: what of it may be given, and when. Knows nothing of engines and connections. */
import { isCallText } from '../../core/answer/calls.ts'
import { answerFault, endingFault, type AnswerFault } from '../../core/answer/answer-rules.ts'
import type { AnswerFormats } from '../../core/answer/schema/answer-schema.ts'
import { LogprobReader } from '../../core/route/confidence.ts'
import { mayBegin, factRule, type FactRule } from '../../core/route/early.ts'
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
      /** what is wrong with an answer that the client has already; null: nothing was found */
      foundLate: AnswerFault | null
    }
  | {
      given: false
      reason: FaultReason
      /** null without a finished answer, and without one that the client has begun to get */
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

/** Where an answer goes while it is generated. */
export interface EarlyClient {
  /** @returns whether the client gets the answer from here on; false: it is held back as others are */
  begin(text: string, confidence: number): boolean
  /** the next part of its text */
  add(text: string): void
}

/** An answer that is not given. */
export const fault = (reason: FaultReason, confidence: number | null = null): LoraAnswer => ({
  given: false,
  reason,
  confidence,
  usage: null,
})

/**
 * How often it is asked whether an answer may begin, once a delta: its first tokens may end within a number, which states
 * something else than the whole one.
 */
const MOST_LOOKS = 16

/** Of the tokens that an engine was asked for: it may give some that do not count there. */
const MOST_OF_ASKED = 2

export class Draft {
  content = ''
  usage: Usage | null = null
  /** the client has its beginning */
  hasBegun = false
  private looksLeft = MOST_LOOKS
  /** tokens, as far as the engine tells them apart */
  private tokens = 0
  private finishReason: FinishReason | null = null
  private readonly logprobs: TokenLogprob[] = []
  private readonly reader = new LogprobReader()
  private readonly factFault: FactRule

  constructor(
    private readonly asked: Routable,
    private readonly early: EarlyClient | null
  ) {
    this.factFault = factRule(asked.match, asked.route.answers)
  }

  private get route(): Route {
    return this.asked.route
  }

  /**
   * @returns whether it has a token
   * @throws AppError `engine-unavailable` where an answer that the client has in part goes on behind the limit that the
   * engine was given: no time limit ends it
   */
  add(delta: GeneratedDelta): boolean {
    const tokens = Math.max(delta.logprobs.length, Number(delta.text !== ''))
    this.tokens += tokens
    if (this.hasBegun && this.tokens > MOST_OF_ASKED * this.route.answers.maxTokens)
      throw new AppError('engine-unavailable', 'the engine does not stop at the limit of tokens')
    this.content += delta.text
    this.logprobs.push(...delta.logprobs)
    for (const { logprob } of delta.logprobs) this.reader.add(logprob)
    this.finishReason = delta.finishReason ?? this.finishReason
    this.usage = delta.usage ?? this.usage
    if (this.hasBegun) this.early?.add(delta.text)
    else if (this.looksLeft > 0 && this.reader.isFirstKnown) this.begin()
    return tokens > 0
  }

  /** An answer that does not begin while there are looks left is held back until its end. */
  private begin(): void {
    const { early, content, confidence } = this
    // one that is over by then is judged whole
    const isOpen = early !== null && !this.isUnsure && this.finishReason === null
    if (isOpen && !mayBegin(content, this.factFault)) {
      this.looksLeft--
      return
    }
    this.looksLeft = 0
    if (isOpen) this.hasBegun = early.begin(content, confidence)
  }

  /** Whether the client has begun to get it and there is no more of it. */
  get isGiven(): boolean {
    return this.hasBegun && (this.finishReason === 'stop' || this.finishReason === 'length')
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
    return answerFault(content, this.asked.request, route, formats) ?? this.factFault(content)
  }

  private given(
    logprobs: readonly TokenLogprob[] | null,
    foundLate: AnswerFault | null = null
  ): LoraAnswer {
    const { content, confidence, usage } = this
    return { given: true, content, confidence, logprobs, usage, foundLate }
  }

  judge(formats: AnswerFormats): LoraAnswer {
    const { content, confidence } = this
    const { request } = this.asked
    const ending = this.faultOfEnd()
    if (this.hasBegun) return this.given(null, ending ?? this.faultOfText(formats))
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
