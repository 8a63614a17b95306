/**
 * Asks an engine, or another model, for one answer and decides whether it may be given. The answer is held back until it
 * is complete and confident enough. Where confidence can only fall, an answer below the threshold is dropped early. Knows
 * nothing of the client's connection.
 */
import type { AnswerFormats } from '../../core/answer/schema/answer-schema.ts'
import type { GeneratedDelta } from '../../engine/engine.ts'
import { AppError } from '../../errors.ts'
import type { SetTimer } from '../../timers.ts'
import type { FaultReason } from '../reasons.ts'
import type { Answerer } from './answerer.ts'
import { Draft, fault, type LoraAnswer, type Routable } from './draft.ts'

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

/** The time that an engine has. */
const startDeadline = ({ timeoutMs, setTimer }: Pick<AskOptions, 'timeoutMs' | 'setTimer'>) => {
  const expired = new AbortController()
  const end = setTimer(timeoutMs, () =>
    expired.abort(new AppError('engine-timeout', `no answer within ${timeoutMs} ms`))
  )
  return { signal: expired.signal, end }
}

const generate = async (
  deltas: AsyncIterable<GeneratedDelta>,
  draft: Draft,
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
  return draft.judge(formats)
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
  asked: Routable,
  { timeoutMs, formats, signal, setTimer, onFault }: AskOptions
): Promise<LoraAnswer> => {
  const deadline = startDeadline({ timeoutMs, setTimer })
  const stop = AbortSignal.any([deadline.signal, signal])
  const draft = new Draft(asked)
  try {
    const generating = generate(answerer.stream(stop), draft, { formats, signal: stop })
    // does not wait for an engine that ignores its signal
    return await Promise.race([generating, whenAborted(stop)])
  } catch (error) {
    const { usage } = draft
    if (signal.aborted) return { ...fault('client-closed'), usage }
    const reason = deadline.signal.aborted ? 'engine-timeout' : faultOfError(error)
    // the key's own limit is no fault
    if (reason !== 'over-budget') onFault(error, reason)
    return { ...fault(reason), usage }
  } finally {
    deadline.end()
  }
}
