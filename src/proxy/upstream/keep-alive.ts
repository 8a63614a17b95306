/**
 * Comments into a stream that has been silent for a while, for load balancers that cut quiet
 * connections. Only between two events: inside of one a comment would be part of it (WHATWG HTML
 * §9.2.5). A client ignores them by the same standard.
 */
import type { ServerResponse } from 'node:http'

const COMMENT = ': keep-alive\n\n'
/** of what was sent, to see whether an event has just ended */
const TAIL_BYTES = 4
const EVENT_END = /(?:\n\n|\r\r|\r\n\r\n)$/

export class KeepAlive {
  private readonly outgoing: ServerResponse
  private readonly timer: NodeJS.Timeout
  private tail = Buffer.alloc(0)

  constructor(outgoing: ServerResponse, everyMs: number) {
    this.outgoing = outgoing
    this.timer = setInterval(() => this.tick(), everyMs)
    outgoing.once('close', () => clearInterval(this.timer))
  }

  /** Bytes of the stream, which are sent by somebody else. */
  sent(chunk: Buffer): void {
    this.timer.refresh()
    this.tail =
      chunk.length >= TAIL_BYTES
        ? Buffer.from(chunk.subarray(-TAIL_BYTES))
        : Buffer.concat([this.tail, chunk]).subarray(-TAIL_BYTES)
  }

  private tick(): void {
    const { outgoing, tail } = this
    // whoever does not read gets no more to read
    if (outgoing.writableEnded || outgoing.writableNeedDrain) return
    if (tail.length === 0 || EVENT_END.test(tail.toString('latin1'))) outgoing.write(COMMENT)
  }
}
