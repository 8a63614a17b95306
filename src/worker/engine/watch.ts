/**
 * Whether the engine answers, as far as is known: it is asked seldom while it does, and with growing
 * pauses while it does not.
 */
import { setTimeout as delay } from 'node:timers/promises'
import {
  afterAnswer,
  afterSilence,
  isAskDue,
  UNSEEN,
  type Presence,
} from '../../core/learn/engine-power.ts'
import type { Engine } from '../../engine/engine.ts'
import { AppError, toAppError } from '../../errors.ts'
import { causesOf } from '../../fault-log.ts'
import type { WorkerDeps } from '../deps.ts'

const ANSWER_MS = 15_000

export interface EngineWatch {
  /** The engine, when it answered when it was last asked; asks it when that is due. */
  present(): Promise<Engine | null>
  /** when it was first found away; null while it answers, 0 before it was ever seen */
  awaySince(): number | null
  /** A call found it away. */
  lost(): void
  /** It may answer by now. */
  askNow(): void
  /** It was stopped: that it is away is no news. */
  stopped(): void
}

/** An error of an engine that will answer again. */
export const isEngineLost = ({ code }: AppError): boolean =>
  code === 'engine-unavailable' || code === 'engine-timeout'

/** @throws AppError when it is no use yet */
const ask = async (engine: Engine): Promise<void> => {
  const answered = new AbortController()
  const timeout = delay(ANSWER_MS, null, { signal: answered.signal, ref: false })
  try {
    const models = await Promise.race([engine.models(), timeout])
    if (models === null)
      throw new AppError('engine-timeout', `engine ${engine.name} says nothing for ${ANSWER_MS} ms`)
    if (models.every(({ parent }) => parent !== undefined))
      throw new AppError('engine-unavailable', `engine ${engine.name} lists no base model`)
  } finally {
    answered.abort()
  }
}

export const watchEngine = (
  engine: Engine,
  { now, log }: Pick<WorkerDeps, 'now' | 'log'>
): EngineWatch => {
  let presence: Presence = UNSEEN
  let isAwaySaid = false

  const note = (error: AppError | null): void => {
    presence = error === null ? afterAnswer(presence, now()) : afterSilence(presence, now())
    const isAway = error !== null
    if (isAway === isAwaySaid) return
    isAwaySaid = isAway
    if (error === null) return log({ level: 'info', message: 'the engine answers' })
    const message = `the engine is away, and what needs it waits: ${error.message}`
    log({ level: 'warn', message, data: { causes: causesOf(error) } })
  }

  return {
    async present() {
      if (isAskDue(presence, now()))
        note(
          await ask(engine).then(
            () => null,
            (thrown: unknown) => toAppError(thrown)
          )
        )
      return presence.awaySince === null ? engine : null
    },
    awaySince: () => presence.awaySince,
    lost: () => {
      presence = afterSilence(presence, now())
    },
    askNow: () => {
      presence = { ...presence, failures: 0, askAt: 0 }
    },
    stopped: () => {
      presence = UNSEEN
      isAwaySaid = true
    },
  }
}
