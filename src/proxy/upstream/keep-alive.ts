/**
 * Comments in a stream that has been silent for a while, because some load balancers cut quiet
 * connections. A comment may stand only between two events: inside an event it would be part of it
 * (WHATWG HTML §9.2.5). By the same standard clients ignore comments.
 */
import type { ServerResponse } from 'node:http'
import type { SetTimer } from '../../timers.ts'

const COMMENT = ': keep-alive\n\n'
/** The last bytes of the stream, which tell whether an event has just ended. */
const TAIL_BYTES = 4
const EVENT_END = /(?:\n\n|\r\r|\r\n\r\n)$/

export interface KeepAliveOptions {
  /** silence after which a comment is sent */
  keepAliveMs: number
  now: () => number
  setTimer: SetTimer
}

export class KeepAlive {
  private readonly outgoing: ServerResponse
  private readonly options: KeepAliveOptions
  private sentAt: number
  private stop = (): void => {}
  private tail = Buffer.alloc(0)

  constructor(outgoing: ServerResponse, options: KeepAliveOptions) {
    this.outgoing = outgoing
    this.options = options
    this.sentAt = options.now()
    this.wait(options.keepAliveMs)
    outgoing.once('close', () => this.stop())
  }

  /** Bytes of the stream that are sent by the caller. */
  sent(chunk: Buffer): void {
    this.sentAt = this.options.now()
    this.tail =
      chunk.length >= TAIL_BYTES
        ? Buffer.from(chunk.subarray(-TAIL_BYTES))
        : Buffer.concat([this.tail, chunk]).subarray(-TAIL_BYTES)
  }

  private wait(ms: number): void {
    this.stop = this.options.setTimer(ms, () => this.tick())
  }

  private tick(): void {
    const { outgoing, tail, options } = this
    const leftMs = this.sentAt + options.keepAliveMs - options.now()
    if (leftMs > 0) return this.wait(leftMs)
    // a client that does not read gets no more to read
    const takesMore = !outgoing.writableEnded && !outgoing.writableNeedDrain
    if (takesMore && (tail.length === 0 || EVENT_END.test(tail.toString('latin1'))))
      outgoing.write(COMMENT)
    this.wait(options.keepAliveMs)
  }
}
