/**
 * Engines by name, each behind a breaker: after a failed call it answers at once that the engine is
 * down, until one call may try again. The hot path never waits for a dead engine twice.
 */
import { AppError, toAppError } from '../errors.ts'
import type { Engine } from './engine.ts'

export interface RegistryOptions {
  /** how long a failed engine is left alone; default 2 s */
  retryAfterMs?: number
  /** milliseconds */
  now: () => number
}

export interface EngineRegistry {
  names(): string[]
  /** @throws AppError `not-found` */
  get(name: string): Engine
  /** Whether a call would be let through now. */
  isAvailable(name: string): boolean
}

/** Errors that say something about the engine and not about the request. */
const speaksOfEngine = (error: unknown): boolean => {
  const { code } = toAppError(error)
  return code === 'engine-unavailable' || code === 'engine-timeout'
}

/** Closed, or open until a time; then half open: one call tries, the others are still refused. */
class Breaker {
  private readonly name: string
  private readonly retryAfterMs: number
  private readonly now: () => number
  private openUntil: number | null = null
  private trying = false

  constructor(name: string, { retryAfterMs = 2000, now }: RegistryOptions) {
    this.name = name
    this.retryAfterMs = retryAfterMs
    this.now = now
  }

  get isAvailable(): boolean {
    return this.openUntil === null || (!this.trying && this.now() >= this.openUntil)
  }

  /** @throws AppError `engine-unavailable` while the breaker is open */
  enter(): void {
    if (!this.isAvailable)
      throw new AppError('engine-unavailable', `engine ${this.name} failed a moment ago`)
    if (this.openUntil !== null) this.trying = true
  }

  succeeded(): void {
    this.openUntil = null
    this.trying = false
  }

  failed(error: unknown): void {
    this.trying = false
    if (speaksOfEngine(error)) this.openUntil = this.now() + this.retryAfterMs
    else if (toAppError(error).code !== 'client-closed') this.openUntil = null
  }

  /** A call that ended without telling whether the engine is well. */
  left(): void {
    this.trying = false
  }
}

const guardStream = async function* (breaker: Breaker, source: ReturnType<Engine['stream']>) {
  let finished = false
  breaker.enter()
  try {
    for await (const delta of source) {
      breaker.succeeded()
      yield delta
    }
    finished = true
    breaker.succeeded()
  } catch (error) {
    finished = true
    breaker.failed(error)
    throw error
  } finally {
    if (!finished) breaker.left()
  }
}

const guard = (engine: Engine, breaker: Breaker): Engine => {
  const through =
    <Parameters extends unknown[], Result>(method: (...given: Parameters) => Promise<Result>) =>
    async (...given: Parameters): Promise<Result> => {
      breaker.enter()
      try {
        const result = await method(...given)
        breaker.succeeded()
        return result
      } catch (error) {
        breaker.failed(error)
        throw error
      }
    }
  return {
    name: engine.name,
    models: through(() => engine.models()),
    uploadRows: through((rows, filename) => engine.uploadRows(rows, filename)),
    createJob: through((request) => engine.createJob(request)),
    getJob: through((id) => engine.getJob(id)),
    findJobs: through((metadata) => engine.findJobs(metadata)),
    jobEvents: through((id, after) => engine.jobEvents(id, after)),
    cancelJob: through((id) => engine.cancelJob(id)),
    complete: through((request, options) => engine.complete(request, options)),
    stream: (request, options) => guardStream(breaker, engine.stream(request, options)),
    loss: through((model, rows) => engine.loss(model, rows)),
    countTokens: through((model, input) => engine.countTokens(model, input)),
    deleteModel: through((id) => engine.deleteModel(id)),
  }
}

export const createEngineRegistry = (
  engines: Engine[],
  options: RegistryOptions
): EngineRegistry => {
  const entries = new Map(
    engines.map((engine) => {
      const breaker = new Breaker(engine.name, options)
      return [engine.name, { breaker, engine: guard(engine, breaker) }]
    })
  )
  const entry = (name: string) => {
    const found = entries.get(name)
    if (!found) throw new AppError('not-found', `no engine ${name} is configured`)
    return found
  }
  return {
    names: () => [...entries.keys()],
    get: (name) => entry(name).engine,
    isAvailable: (name) => entry(name).breaker.isAvailable,
  }
}
