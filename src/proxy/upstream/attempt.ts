/**
 * One upstream asked for an answer that may not be the client's: its judge looks at it first. What the
 * judge has not decided yet is held, with its body unread on the connection.
 */
import type { AnswerHandler } from './answer-handler.ts'
import { CLIENT_LEFT, type UpstreamAnswer } from './upstream-answer.ts'

export interface Judge {
  /** An answer has begun, or an interim one; decides by `pass`, `hold` or `drop`. */
  begun(attempt: Attempt, status: number, headers: string[]): void
  /**
   * No answer came.
   * @param wasSent whether the upstream may have read something of the request
   * @returns whether the exchange goes on without this attempt
   */
  failed(attempt: Attempt, error: Error, wasSent: boolean): boolean
}

const NOT_WANTED = new Error('another answer is given')

export class Attempt implements AnswerHandler {
  private readonly judge: Judge
  private readonly answer: UpstreamAnswer
  private state: 'asking' | 'held' | 'passing' | 'over' = 'asking'
  private abort: ((error: Error) => void) | null = null
  private head: Parameters<UpstreamAnswer['onHeaders']> | null = null

  constructor(judge: Judge, answer: UpstreamAnswer) {
    this.judge = judge
    this.answer = answer
  }

  /** false also when an answer was held and its connection broke meanwhile */
  get isHeld(): boolean {
    return this.state === 'held'
  }

  pass(): void {
    this.state = 'passing'
  }

  hold(): void {
    this.state = 'held'
  }

  drop(): void {
    this.state = 'over'
    this.abort?.(NOT_WANTED)
  }

  /** Gives the client what was held. */
  release(): void {
    const { head } = this
    if (head === null) return
    this.pass()
    // another attempt may just be at its end, which comes first
    queueMicrotask(() => {
      if (!this.isPassing()) return
      this.answer.onHeaders(...head)
      const [, , resume] = head
      resume()
    })
  }

  /** The client has left. */
  cancel(): void {
    this.abort?.(CLIENT_LEFT)
  }

  onConnect(abort: (error: Error) => void): void {
    this.abort = abort
    this.answer.onConnect(abort)
  }

  onHeaders(...head: Parameters<UpstreamAnswer['onHeaders']>): boolean {
    if (this.state === 'asking') {
      this.head = head
      this.judge.begun(this, head[0], head[1])
    }
    return this.isPassing() && this.answer.onHeaders(...head)
  }

  onData(chunk: Buffer): boolean {
    return this.isPassing() && this.answer.onData(chunk)
  }

  onIdle(): void {
    if (this.isPassing()) this.answer.onIdle()
  }

  onComplete(trailers: string[]): void {
    if (this.isPassing()) this.answer.onComplete(trailers)
  }

  onError(error: Error): void {
    const isWanted = this.state === 'asking' || this.state === 'passing'
    const goesOn = this.state === 'asking' && this.judge.failed(this, error, this.abort !== null)
    this.state = 'over'
    if (isWanted && !goesOn) this.answer.onError(error)
  }

  private isPassing(): boolean {
    return this.state === 'passing'
  }
}
