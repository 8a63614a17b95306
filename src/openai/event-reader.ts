/**
 * Reads the data of server-sent events (WHATWG HTML §9.2.6), and no other field. An upstream wrote them, so the
 * time is linear in their length: eventsource-parser looks for the next CR to the end of the chunk at every
 * line, and makes an error with a stack for each unknown field.
 */

const LINE_END = /\r\n|\r|\n/g

export class EventReader {
  private readonly onData: (data: string) => void
  /** of a line that has not ended */
  private pieces: string[] = []
  /** lines of the event's data */
  private data: string[] = []
  /** an LF at the start of the next chunk belongs to the last line end */
  private behindCr = false

  /** @param onData called with the data of each event that has any */
  constructor(onData: (data: string) => void) {
    this.onData = onData
  }

  /** @param chunk may end anywhere; what has no empty line behind it is no event yet */
  push(chunk: string): void {
    if (chunk === '') return
    const text = this.behindCr && chunk.startsWith('\n') ? chunk.slice(1) : chunk
    this.behindCr = chunk.endsWith('\r')
    let from = 0
    for (const { 0: end, index } of text.matchAll(LINE_END)) {
      this.endLine(text.slice(from, index))
      from = index + end.length
    }
    if (from < text.length) this.pieces.push(text.slice(from))
  }

  private endLine(tail: string): void {
    const line = this.pieces.length === 0 ? tail : `${this.pieces.join('')}${tail}`
    this.pieces = []
    if (line.startsWith('data:')) this.data.push(line.slice(line[5] === ' ' ? 6 : 5))
    else if (line === 'data') this.data.push('')
    else if (line === '') this.endEvent()
  }

  private endEvent(): void {
    const { data } = this
    this.data = []
    if (data.length > 0) this.onData(data.join('\n'))
  }
}
