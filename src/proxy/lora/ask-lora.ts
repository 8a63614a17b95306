/**
 * Asks an engine, or another model, for one answer and decides whether it may be given. The answer is held back until it
 * is complete and confident enough; where its route may stream early, until its first tokens are. Where confidence can
 * only fall, an answer below the threshold is dropped early, and no byte of it reaches the client. Knows nothing of the
 * client's connection.
 */
import type { AnswerFormats } from '../../core/answer/schema/answer-schema.ts'
import type { GeneratedDelta } from '../../engine/engine.ts'
import { AppError } from '../../errors.ts'
import type { SetTimer } from '../../timers.ts'
import type { FaultReason } from '../reasons.ts'
import type { Answerer } from './answerer.ts'
import { Draft, fault, type EarlyClient, type LoraAnswer, type Routable } from './draft.ts'

export interface AskOptions {
  /** for the whole answer; of one that has begun to be sent, for each pause */
  timeoutMs: number
  /** null: the answer is held back */
  early: EarlyClient | null
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
  const begin = (): (() => void) =>
    setTimer(timeoutMs, () =>
      expired.abort(new AppError('engine-timeout', `no answer within ${timeoutMs} ms`))
    )
  let end = begin()
  return {
    signal: expired.signal,
    restart: (): void => {
      end()
      end = begin()
    },
    end: (): void => end(),
  }
}

const generate = async (
  deltas: AsyncIterable<GeneratedDelta>,
  draft: Draft,
  deadline: Pick<ReturnType<typeof startDeadline>, 'restart'>,
  { formats, signal }: Pick<AskOptions, 'formats' | 'signal'>
): Promise<LoraAnswer> => {
  let isOver = false
  for await (const delta of deltas) {
    signal.throwIfAborted()
    const goesOn = draft.add(delta)
    isOver ||= Boolean(delta.finishReason)
    // returning from the loop stops the generation
    if (draft.isLost && !isOver) return fault('low-confidence')
    // a long answer may take long, and the upstream cannot give the rest of it
    if (draft.hasBegun && goesOn) deadline.restart()
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

/** Never rejects: an error is a reason to ask the upstream, or to break off an answer that the client has begun to get. */
export const askLora = async (
  answerer: Answerer,
  asked: Routable,
  { timeoutMs, early, formats, signal, setTimer, onFault }: AskOptions
): Promise<LoraAnswer> => {
  const deadline = startDeadline({ timeoutMs, setTimer })
  const stop = AbortSignal.any([deadline.signal, signal])
  const draft = new Draft(asked, early)
  try {
    const generating = generate(answerer.stream(stop), draft, deadline, { formats, signal: stop })
    // does not wait for an engine that ignores its signal
    return await Promise.race([generating, whenAborted(stop)])
  } catch (error) {
    const { usage } = draft
    const confidence = draft.hasBegun ? draft.confidence : null
    if (signal.aborted) return { ...fault('client-closed', confidence), usage }
    const reason = deadline.signal.aborted ? 'engine-timeout' : faultOfError(error)
    // the key's own limit is no fault
    if (reason !== 'over-budget') onFault(error, reason)
    // only the end of the engine's stream is missing
    if (draft.isGiven) return draft.judge(formats)
    return { ...fault(reason, confidence), usage }
  } finally {
    deadline.end()
  }
}
