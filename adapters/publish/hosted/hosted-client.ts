/**
 * Calls to the host, with what each failure means: for the request an error, for people a condition of the engine.
 * While the key is refused, an account unpaid or calls are too many, it is not called for a while. Knows nothing of
 * loras.
 */
import { AppError } from '../../../src/errors.ts'
import type { EngineConditionKind } from '../../../src/openai/engine-state.ts'
import { textWithin } from '../../../src/text-within.ts'
import type { Conditions } from '../conditions.ts'

/** Of every call; an answer of some tokens takes a second. */
const CALL_MS = 120_000
/** Of an answer; 16,384 tokens with twenty alternatives to each take some 10 MiB. */
const MAX_BYTES = 64 * 2 ** 20
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 60_000

export interface HostedAddress {
  /** the provider's name, for people */
  provider: string
  /** without a path */
  url: string
  key: string
  fetch: typeof fetch
  /** milliseconds since the epoch */
  now: () => number
}

export interface HostedRequest {
  method?: 'GET' | 'POST' | 'DELETE'
  /** an object is sent as JSON */
  body?: object
  signal?: AbortSignal
}

/** By status, where calls are no use for a while. */
const KINDS: Record<number, EngineConditionKind> = {
  401: 'key-refused',
  403: 'key-refused',
  402: 'unpaid',
  429: 'throttled',
}

const ADVICE: Partial<Record<EngineConditionKind, string>> = {
  'key-refused':
    'refuses the key: set ENGINE_HOSTED_KEY to one that may use models, and start the engine again',
  unpaid: 'asks to be paid: see its billing page',
  throttled:
    'takes fewer calls than are sent, and requests go to the upstream meanwhile: ask it for a higher limit',
  away: 'does not answer, and requests go to the upstream meanwhile',
}

const messageIn = (text: string): string => {
  try {
    const body = JSON.parse(text) as { error?: { message?: unknown }; detail?: unknown }
    const said = body.error?.message ?? body.detail ?? text
    return (typeof said === 'string' ? said : JSON.stringify(said)).slice(0, 300)
  } catch {
    return text.slice(0, 300)
  }
}

export class HostedClient {
  private readonly address: HostedAddress
  private readonly conditions: Conditions
  private pausedUntil = 0
  private pauseMs = FIRST_PAUSE_MS
  private why = ''

  constructor(address: HostedAddress, conditions: Conditions) {
    this.address = address
    this.conditions = conditions
  }

  /**
   * @returns null for 404
   * @throws AppError `invalid-request` for what the host refuses, `engine-unavailable`, `client-closed`
   */
  async call(path: string, { method = 'GET', body, signal }: HostedRequest = {}): Promise<unknown> {
    const { url, key, now } = this.address
    if (now() < this.pausedUntil) throw new AppError('engine-unavailable', this.why)
    const isForm = body instanceof FormData
    let response: Response
    let text: string
    try {
      response = await this.address.fetch(`${url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body !== undefined && !isForm && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: isForm ? body : JSON.stringify(body) }),
        signal: AbortSignal.any([AbortSignal.timeout(CALL_MS), ...(signal ? [signal] : [])]),
      })
      text = await textWithin(response, MAX_BYTES)
    } catch (cause) {
      if (signal?.aborted)
        throw new AppError('client-closed', 'the request was aborted by its client')
      throw this.failed('away', String((cause as Error).cause ?? cause), cause)
    }
    return this.read(response, text)
  }

  private read(response: Response, text: string): unknown {
    const { status } = response
    const kind = KINDS[status]
    if (kind !== undefined) {
      this.pause(response)
      throw this.failed(kind, `status ${status}: ${this.said(text)}`)
    }
    if (status >= 500) throw this.failed('away', `status ${status}: ${this.said(text)}`)
    this.pauseMs = FIRST_PAUSE_MS
    this.conditions.end('key-refused', 'unpaid', 'throttled', 'away')
    if (status === 404) return null
    if (!response.ok)
      throw new AppError('invalid-request', `${this.address.provider} refuses: ${this.said(text)}`)
    try {
      return JSON.parse(text) as unknown
    } catch (cause) {
      throw new AppError('internal', `${this.address.provider} answers without JSON`, { cause })
    }
  }

  /** Its message, which people and logs get: some name the key that they refuse. */
  private said(text: string): string {
    return messageIn(text.replaceAll(this.address.key, '[key]'))
  }

  private pause(response: Response): void {
    const asked = 1000 * Number(response.headers.get('retry-after') ?? 0)
    const ms = Math.min(
      LONGEST_PAUSE_MS,
      Math.max(this.pauseMs, Number.isFinite(asked) ? asked : 0)
    )
    this.pausedUntil = this.address.now() + ms
    this.pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * this.pauseMs)
  }

  private failed(kind: EngineConditionKind, said: string, cause?: unknown): AppError {
    this.why = `${this.address.provider} ${ADVICE[kind]}. It said: ${said}`
    this.conditions.begin(kind, this.why)
    return new AppError('engine-unavailable', this.why, { cause })
  }
}
