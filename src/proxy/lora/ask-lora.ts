/**
 * Asks an engine, or another model, for one answer and decides whether it may be given. The answer is held back until it
 * is complete and confident enough. Where confidence can only fall, an answer below the threshold is
 * dropped early, and no byte of it reaches the client. Knows nothing of the client's connection.
 */
import { AppError } from '../../errors.ts'
import { contentLogprobs } from '../../core/answer/answer-logprobs.ts'
import { isCallText } from '../../core/answer/calls.ts'
import { answerFault, endingFault } from '../../core/answer/answer-rules.ts'
import type { AnswerFormats } from '../../core/answer/schema/answer-schema.ts'
import { LogprobReader } from '../../core/route/confidence.ts'
import { type Route } from '../../core/route/route.ts'
import type { GeneratedDelta } from '../../engine/engine.ts'
import type { ChatRequest, FinishReason, TokenLogprob, Usage } from '../../openai/chat.ts'
import { factFault } from '../../core/route/fact-rule.ts'
import type { Match } from '../../core/template/template.ts'
import type { FaultReason } from '../reasons.ts'
import type { SetTimer } from '../../timers.ts'
import type { Answerer } from './answerer.ts'

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
      confidence: number | null
      /** usage until then, where the engine reports it while it generates */
      usage: Usage | null
    }

/** The client's request, and what of it the lora reads. */
interface Asked {
  request: ChatRequest
  match: Match
}

/** An answer that may be given. */
export type GivenAnswer = Extract<LoraAnswer, { given: true }>

export interface AskOptions {
  /** for the whole answer */
  timeoutMs: number
  formats: AnswerFormats
  /** aborted when the client goes away */
  signal: AbortSignal
  setTimer: SetTimer
  /** takes an error of the engine, and the reason that it counts as */
  onFault: (error: unknown, reason: FaultReason) => void
}

const fault = (reason: FaultReason, confidence: number | null = null): LoraAnswer => ({
  given: false,
  reason,
  confidence,
  usage: null,
})

/** One answer while it is generated. */
class Draft {
  content = ''
  usage: Usage | null = null
  private finishReason: FinishReason | null = null
  private readonly logprobs: TokenLogprob[] = []
  private readonly reader = new LogprobReader()
  private readonly route: Route

  constructor(route: Route) {
    this.route = route
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

  judge({ request, match }: Asked, formats: AnswerFormats): LoraAnswer {
    const { content, confidence, usage } = this
    const hasOneConfidence = this.route.model?.hasLogprobs === false
    const ending = endingFault(this.finishReason, hasOneConfidence ? null : this.logprobs.length)
    if (ending === 'engine-error')
      throw new AppError(
        'engine-unavailable',
        `the answer ended ${this.finishReason ?? 'without a reason'}`
      )
    if (ending) return fault(ending, ending === 'length' ? confidence : null)
    if (this.isUnsure) return fault('low-confidence', confidence)
    const broken =
      answerFault(content, request, this.route, formats) ??
      factFault(content, match, this.route.answers)
    if (broken) return fault(broken, confidence)
    if (request.logprobs !== true)
      return { given: true, content, confidence, logprobs: null, usage }
    // those of a call would be of a text that the client does not get
    const logprobs = isCallText(content)
      ? null
      : contentLogprobs(this.logprobs, content, request.top_logprobs ?? 0)
    return logprobs
      ? { given: true, content, confidence, logprobs, usage }
      : fault('no-logprobs', confidence)
  }
}

const generate = async (
  deltas: AsyncIterable<GeneratedDelta>,
  draft: Draft,
  asked: Asked,
  { formats, signal }: Pick<AskOptions, 'formats' | 'signal'>
): Promise<LoraAnswer> => {
  let isOver = false
  for await (const delta of deltas) {
    signal.throwIfAborted()
    draft.add(delta)
    isOver ||= Boolean(delta.finishReason)
    // returning from the loop stops the generation
    if (draft.isLost && !isOver) return fault('low-confidence')
  }
  return draft.judge(asked, formats)
}

const faultOfError = (error: unknown): FaultReason => {
  if (!(error instanceof AppError)) return 'engine-error'
  if (error.code === 'engine-timeout') return 'engine-timeout'
  if (error.code === 'budget-exceeded') return 'over-budget'
  return error.status < 500 ? 'engine-refused' : 'engine-error'
}

const whenAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })

/** Never rejects: an error is a reason to ask the upstream. */
export const askLora = async (
  answerer: Answerer,
  asked: Asked & { route: Route },
  { timeoutMs, formats, signal, setTimer, onFault }: AskOptions
): Promise<LoraAnswer> => {
  const deadline = new AbortController()
  const cancelDeadline = setTimer(timeoutMs, () =>
    deadline.abort(new AppError('engine-timeout', `no answer within ${timeoutMs} ms`))
  )
  const stop = AbortSignal.any([deadline.signal, signal])
  const draft = new Draft(asked.route)
  try {
    const generating = generate(answerer.stream(stop), draft, asked, { formats, signal: stop })
    // does not wait for an engine that ignores its signal
    return await Promise.race([generating, whenAborted(stop)])
  } catch (error) {
    if (signal.aborted) return { ...fault('client-closed'), usage: draft.usage }
    const reason = deadline.signal.aborted ? 'engine-timeout' : faultOfError(error)
    // the key's own limit is no fault
    if (reason !== 'over-budget') onFault(error, reason)
    return fault(reason)
  } finally {
    cancelDeadline()
  }
}
