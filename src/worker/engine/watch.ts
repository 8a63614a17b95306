/**
 * Whether the engine answers. It is asked once a minute while it does, and with growing pauses while
 * it does not.
 */
import type { Engine } from '../../engine/engine.ts'
import { AppError, toAppError } from '../../errors.ts'
import { causesOf } from '../../fault-log.ts'
import type { ModelObject } from '../../openai/fine-tuning.ts'
import type { WorkerDeps } from '../deps.ts'

const ANSWER_MS = 15_000
const FIRST_PAUSE_MS = 1_000
const MAX_PAUSE_MS = 60_000
/** After so long a presence, the pauses between questions begin with the first one again. */
const STABLE_MS = 60_000

/** From the answers to the questions. */
interface Presence {
  /** null while the engine is away */
  hereSince: number | null
  failures: number
  askAt: number
}

const UNSEEN: Presence = { hereSince: null, failures: 0, askAt: 0 }

/** Also when the clock was set back, which leaves `askAt` further ahead than any pause. */
const isAskDue = ({ askAt }: Presence, now: number): boolean =>
  now >= askAt || askAt - now > MAX_PAUSE_MS

const afterAnswer = ({ hereSince, failures }: Presence, now: number): Presence => {
  const since = hereSince ?? now
  return {
    hereSince: since,
    failures: now - since >= STABLE_MS ? 0 : failures,
    askAt: now + MAX_PAUSE_MS,
  }
}

const afterSilence = ({ failures }: Presence, now: number): Presence => ({
  hereSince: null,
  failures: failures + 1,
  askAt: now + Math.min(FIRST_PAUSE_MS * 2 ** failures, MAX_PAUSE_MS),
})

export interface EngineWatch {
  /** The engine, or null when its last answer failed. Asks it when a question is due. */
  present(): Promise<Engine | null>
  /** A call failed because the engine is away. */
  lost(): void
}

/** Whether the error says that the engine is away, and not that the request is wrong. */
export const isEngineLost = ({ code }: AppError): boolean =>
  code === 'engine-unavailable' || code === 'engine-timeout'

/** @returns null when the engine has not answered after `ms` */
export const modelsWithin = async (
  engine: Engine,
  ms: number,
  sleep: WorkerDeps['sleep']
): Promise<ModelObject[] | null> => {
  const answered = new AbortController()
  try {
    const timeout = sleep(ms, answered.signal).then(() => null)
    return await Promise.race([engine.models(), timeout])
  } finally {
    answered.abort()
  }
}

/** The encoder that heads can be trained on; null where the engine has none. */
export const encoderOf = (models: ModelObject[]): ModelObject | null =>
  models.find(
    ({ kind, training_methods: methods = [] }) =>
      kind === 'encoder' && methods.includes('label-head')
  ) ?? null

export const trainsFields = (encoder: ModelObject | null): boolean =>
  encoder?.training_methods?.includes('field-head') === true

/**
 * The model that loras are trained on. Of an engine that has an encoder alone it is the encoder, which counts tokens
 * as well, and on which no lora is trained (`trainsLoras`).
 * @throws AppError `engine-unavailable` when the engine lists only loras, which may still load
 */
export const baseModelOf = ({ name }: Engine, models: ModelObject[]): ModelObject => {
  const base = models.find(({ parent, kind }) => parent === undefined && kind === undefined)
  const found = base ?? encoderOf(models)
  if (found === null) throw new AppError('engine-unavailable', `engine ${name} lists no base model`)
  return found
}

export const trainsLoras = ({ kind }: ModelObject): boolean => kind === undefined

/** @throws AppError when the engine is not ready for work */
const ask = async (engine: Engine, sleep: WorkerDeps['sleep']): Promise<void> => {
  const models = await modelsWithin(engine, ANSWER_MS, sleep)
  if (models === null)
    throw new AppError(
      'engine-timeout',
      `engine ${engine.name} did not answer within ${ANSWER_MS} ms`
    )
  baseModelOf(engine, models)
}

export const watchEngine = (
  engine: Engine,
  { now, sleep, log }: Pick<WorkerDeps, 'now' | 'sleep' | 'log'>
): EngineWatch => {
  let presence: Presence = UNSEEN
  let isAwayLogged = false

  const note = (error: AppError | null): void => {
    presence = error === null ? afterAnswer(presence, now()) : afterSilence(presence, now())
    const isAway = error !== null
    if (isAway === isAwayLogged) return
    isAwayLogged = isAway
    if (error === null) return log({ level: 'info', message: 'the engine answers' })
    const message = `the engine cannot be reached, so its work waits: ${error.message}`
    log({ level: 'warn', message, data: { causes: causesOf(error) } })
  }

  return {
    async present() {
      if (isAskDue(presence, now()))
        note(
          await ask(engine, sleep).then(
            () => null,
            (thrown: unknown) => toAppError(thrown)
          )
        )
      return presence.hereSince === null ? null : engine
    },
    lost: () => {
      presence = afterSilence(presence, now())
    },
  }
}
