/**
 * Clients that ask without a pause while servers come and go. Each request has a number of its own, and an
 * answer acknowledges it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { orderOf, shelfOf } from '../../../test/kit/traffic/shelf-orders.ts'
import type { ReplayUpstream } from '../../../test/kit/upstream/replay-upstream.ts'

const LANES = 3
/** Of a client between two requests: so long that a stage of the rollout meets several kills. */
const PAUSE_MS = 150
const TIMEOUT_MS = 10_000
/** The same for all requests, so that they have one tenant. */
const AUTHORIZATION = 'Bearer bench-client-key'
const PROMPT_TOKENS = 120

/** From the start of a server to its end. */
export interface Life {
  baseUrl: string
  /** milliseconds since the epoch, before the process was started */
  startedAt: number
}

export interface Answer {
  /** of the request */
  number: number
  life: Life
  /** milliseconds since the epoch */
  sentAt: number
  answeredAt: number
  /** header of the proxy; null where no live template matched */
  route: string | null
  lora: string | null
}

export class Traffic {
  readonly answers: Answer[] = []
  /** the upstream gives other answers than those that the lora has learned */
  isChanged = false
  private life: Life | null = null
  private isStopped = false
  private isPaused = false
  /** number of the next request */
  next: number
  private lanes: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly upstream: ReplayUpstream,
    firstNumber: number,
    private readonly pauseMs: number = PAUSE_MS
  ) {
    this.next = firstNumber
  }

  /** @param life of the server to ask from now on; null: the clients wait */
  to(life: Life | null): void {
    this.life = life
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  start(): void {
    this.lanes = Promise.all(Array.from({ length: LANES }, () => this.lane()))
  }

  async stop(): Promise<void> {
    this.isStopped = true
    await this.lanes
  }

  private async lane(): Promise<void> {
    while (!this.isStopped) {
      const { life } = this
      // a request without an answer was not acknowledged
      if (life !== null && !this.isPaused) await this.ask(life, this.next++).catch(() => {})
      await delay(this.pauseMs)
    }
  }

  private async ask(life: Life, number: number): Promise<void> {
    const request = orderOf(number)
    const answer = shelfOf(this.isChanged ? number + 1 : number)
    this.upstream.add(request.messages, answer, PROMPT_TOKENS)
    const sentAt = Date.now()
    const response = await fetch(`${life.baseUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: AUTHORIZATION },
      body: JSON.stringify(request),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    await response.json()
    if (!response.ok) throw new Error(`answered with ${response.status}`)
    const header = (name: string) => response.headers.get(`x-promptintern-${name}`)
    const route = header('route')
    const lora = header('lora')
    this.answers.push({ number, life, sentAt, answeredAt: Date.now(), route, lora })
  }
}
