/**
 * Reads the data of server-sent events (WHATWG HTML §9.2.6), no other field, and the objects in the data. An
 * upstream wrote them, so the time is linear in their length: eventsource-parser looks for the next CR to the end
 * of the chunk at every line, and makes an error with a stack for each unknown field.
 */
import { isFields, type Fields } from './fields.ts'

const LF = 0x0a
const CR = 0x0d

export class EventReader {
  /** of a line that has not ended */
  private pieces: string[] = []
  /** lines of the event's data */
  private data: string[] = []
  /** an LF at the start of the next chunk belongs to the last line end */
  private behindCr = false

  /** @param onData called with the data of each event that has any */
  constructor(private readonly onData: (data: string) => void) {}

  /** @param chunk may end anywhere; what has no empty line behind it is no event yet */
  push(chunk: string): void {
    if (chunk === '') return
    const text = this.behindCr && chunk.startsWith('\n') ? chunk.slice(1) : chunk
    this.behindCr = chunk.endsWith('\r')
    let from = 0
    // no pattern: a match for each of four million line ends takes a second
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code !== LF && code !== CR) continue
      this.endLine(text.slice(from, at))
      if (code === CR && text.charCodeAt(at + 1) === LF) at++
      from = at + 1
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

/** Of one stream. An event that is no JSON makes an error with a stack: half a million of them, 4 MiB, take 10 s. No provider sends one. */
export const MAX_BROKEN_EVENTS = 100

/** A chunk has 100 bytes, so this is an answer of 25 MB. */
const MAX_EVENTS = 250_000

const BEGINS_OBJECT = /^[ \t\r\n]*\{/

/** Reads the objects that the events of one stream are; `[DONE]` and other data is left out. Bytes may be cut anywhere. */
export class ObjectReader {
  private readonly decoder = new TextDecoder()
  private readonly events: EventReader
  private read = 0
  private broken = 0

  /**
   * @param onObject called with each object
   * @param isRead of the data; false: it is not parsed
   */
  constructor(onObject: (event: Fields) => void, isRead: (data: string) => boolean = () => true) {
    this.events = new EventReader((data) => {
      this.read++
      if (this.isUnreadable || !BEGINS_OBJECT.test(data) || !isRead(data)) return
      const event = this.parse(data)
      if (isFields(event)) onObject(event)
    })
  }

  /** @param bytes the next bytes; they may end within an event or a character */
  push(bytes: Uint8Array): void {
    if (!this.isUnreadable) this.events.push(this.decoder.decode(bytes, { stream: true }))
  }

  /** Whether the rest is not read: more than 250,000 events, or 100 that begin as an object and are no JSON. */
  get isUnreadable(): boolean {
    return this.read > MAX_EVENTS || this.broken >= MAX_BROKEN_EVENTS
  }

  private parse(data: string): unknown {
    try {
      return JSON.parse(data)
    } catch {
      this.broken++
      return null
    }
  }
}
