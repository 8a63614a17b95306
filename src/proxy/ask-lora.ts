/**
 * Asks an engine for one answer and decides whether it may be given. The answer is held back until
 * it is whole and sure: the confidence can only fall, so an unsure one is dropped early, and no
 * byte of it reaches the client. Knows nothing of the client's connection.
 */
import { AppError } from '../errors.ts'
import type { SecondOpinion } from '../core/neighbours.ts'
import {
  adaptedRequest,
  answerFault,
  FULL_CONFIDENCE,
  updateConfidence,
  withOpinion,
  type Route,
} from '../core/route.ts'
import { queryText } from '../core/template.ts'
import type { Engine, GeneratedDelta } from '../engine/engine.ts'
import type { ChatRequest, FinishReason, Usage } from '../openai/chat.ts'
import type { MatchedRoute } from './match.ts'
import type { Opinions } from './opinions.ts'

/** Why the lora's answer was not given. */
export type FaultReason =
  | 'low-confidence'
  | 'length'
  | 'no-logprobs'
  | 'not-a-label'
  | 'not-json'
  | 'engine-timeout'
  | 'engine-refused'
  | 'engine-error'
  | 'client-closed'
  | 'internal'

export type LoraAnswer =
  | { given: true; content: string; confidence: number; usage: Usage | null }
  | { given: false; reason: FaultReason; confidence: number | null }

export interface AskOptions {
  /** for the whole answer */
  timeoutMs: number
  /** answers are no longer than this, whatever the request allows */
  maxTokens: number
  /** aborted when the client goes away */
  signal: AbortSignal
  /** asked where the route's confidence counts a second opinion */
  opinions: Opinions
}

const fault = (reason: FaultReason, confidence: number | null = null): LoraAnswer => ({
  given: false,
  reason,
  confidence,
})

/** One answer as it grows. */
class Draft {
  content = ''
  confidence = FULL_CONFIDENCE
  usage: Usage | null = null
  private finishReason: FinishReason | null = null
  private tokens = 0
  private readonly route: Route

  constructor(route: Route) {
    this.route = route
  }

  add(delta: GeneratedDelta): void {
    this.content += delta.text
    this.tokens += delta.logprobs.length
    this.confidence = updateConfidence(this.route.confidence, this.confidence, delta.logprobs)
    this.finishReason = delta.finishReason ?? this.finishReason
    this.usage = delta.usage ?? this.usage
  }

  /** Written so that NaN counts as unsure. */
  get isUnsure(): boolean {
    return !(this.confidence >= this.route.threshold)
  }

  /** @param second null where the route wants none */
  judge(request: ChatRequest, second: SecondOpinion | null, query: string): LoraAnswer {
    const { content, usage } = this
    if (second !== null) this.confidence = withOpinion(this.confidence, second(query, content))
    const { confidence } = this
    if (this.finishReason === 'length') return fault('length', confidence)
    // no reason at all: the stream was cut off
    if (this.finishReason !== 'stop') return fault('engine-error')
    // without log-probabilities every answer would look sure
    if (this.tokens === 0) return fault('no-logprobs')
    if (this.isUnsure) return fault('low-confidence', confidence)
    const broken = answerFault(content, request, this.route)
    return broken ? fault(broken, confidence) : { given: true, content, confidence, usage }
  }
}

/** @returns null for an answer that is unsure before it ends */
const generate = async (
  deltas: AsyncIterable<GeneratedDelta>,
  route: Route,
  signal: AbortSignal
): Promise<Draft | null> => {
  const draft = new Draft(route)
  let isOver = false
  for await (const delta of deltas) {
    signal.throwIfAborted()
    draft.add(delta)
    isOver ||= Boolean(delta.finishReason)
    // leaving the loop ends the iteration, which stops the generation
    if (draft.isUnsure && !isOver) return null
  }
  return draft
}

/** null where the route wants none; a failure to read it is ours, and not the engine's. */
const opinionFor = async (
  { confidence, internalizationId }: Route,
  opinions: Opinions
): Promise<SecondOpinion | null | 'failed'> => {
  if (confidence !== 'sum-with-neighbours') return null
  return opinions(internalizationId).catch(() => 'failed' as const)
}

const faultOfError = (error: unknown): FaultReason => {
  if (!(error instanceof AppError)) return 'engine-error'
  if (error.code === 'engine-timeout') return 'engine-timeout'
  return error.status < 500 ? 'engine-refused' : 'engine-error'
}

const whenAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })

/** Never rejects: a fault of ours is a reason to ask the upstream. */
export const askLora = async (
  engine: Engine,
  { route, match }: MatchedRoute,
  request: ChatRequest,
  { timeoutMs, maxTokens, signal, opinions }: AskOptions
): Promise<LoraAnswer> => {
  const deadline = new AbortController()
  const timer = setTimeout(
    () => deadline.abort(new AppError('engine-timeout', `no answer within ${timeoutMs} ms`)),
    timeoutMs
  )
  const stop = AbortSignal.any([deadline.signal, signal])
  try {
    const deltas = engine.stream(adaptedRequest(route, match, request, maxTokens), { signal: stop })
    const asking = Promise.all([generate(deltas, route, stop), opinionFor(route, opinions)])
    // an engine that does not heed its signal must not hold the client up
    const [draft, second] = await Promise.race([asking, whenAborted(stop)])
    if (draft === null) return fault('low-confidence')
    if (second === 'failed') return fault('internal')
    return draft.judge(request, second, queryText(match))
  } catch (error) {
    if (signal.aborted) return fault('client-closed')
    return fault(deadline.signal.aborted ? 'engine-timeout' : faultOfError(error))
  } finally {
    clearTimeout(timer)
  }
}
