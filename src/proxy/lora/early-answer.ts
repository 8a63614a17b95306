/**
 * A lora's answer on its way to the client while it is generated, from its first tokens on. What the client does not
 * read yet waits as text, once for all parts of it: an answer has a limit of tokens, and a part for each of them would
 * take many times its bytes.
 */
import type { AnswerStream, RenderedAnswer } from '../../openai/answer.ts'
import type { Client } from '../client/client.ts'
import { EVENT_STREAM } from '../headers.ts'
import type { EarlyClient } from './draft.ts'

const HIGH_SURROGATE = /[\ud800-\udbff]$/

interface EarlyOptions {
  events: AnswerStream
  /** whether the answer may begin at this moment */
  mayBegin: () => boolean
  /** of the answer, made when it begins */
  headers: (confidence: number) => string[]
  now: () => number
  /** takes an exception, after which the answer is held back */
  onFault: (error: unknown) => void
}

export class EarlyAnswer implements EarlyClient {
  /** milliseconds since the epoch; null: the client has nothing */
  begunAt: number | null = null
  /** what there is of the answer */
  content = ''
  /** of it, what is not sent */
  private waiting = ''
  private isFull = false
  private readonly client: Client
  private readonly options: EarlyOptions

  constructor(client: Client, options: EarlyOptions) {
    this.client = client
    this.options = options
  }

  begin(text: string, confidence: number): boolean {
    const { client, options } = this
    if (!client.canBeAnswered || !options.mayBegin()) return false
    try {
      client.outgoing.writeHead(200, [...EVENT_STREAM, ...options.headers(confidence)])
    } catch (error) {
      options.onFault(error)
      return false
    }
    this.begunAt = options.now()
    client.outgoing.write(options.events.begin())
    this.add(text)
    return true
  }

  add(text: string): void {
    this.content += text
    this.waiting += text
    this.flush()
  }

  /** The rest and the end. */
  end(answer: RenderedAnswer): void {
    const { events } = this.options
    const rest = this.waiting === '' ? '' : events.content(this.waiting)
    this.waiting = ''
    this.client.outgoing.end(rest + events.end(answer))
  }

  /** Sends what there is, without half a character at its end, unless the client reads more slowly than it gets. */
  private flush(): void {
    const { outgoing } = this.client
    if (this.isFull || outgoing.writableEnded || outgoing.destroyed) return
    const half = HIGH_SURROGATE.exec(this.waiting)?.[0] ?? ''
    const whole = this.waiting.slice(0, this.waiting.length - half.length)
    if (whole === '') return
    this.waiting = half
    if (outgoing.write(this.options.events.content(whole))) return
    this.isFull = true
    outgoing.once('drain', () => {
      this.isFull = false
      this.flush()
    })
  }
}
