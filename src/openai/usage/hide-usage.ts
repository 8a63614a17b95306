/**
 * Removes the usage chunk from a streamed chat completion whose client did not ask for it: the event
 * whose `choices` are an empty list and whose `usage` is an object. All other bytes pass unchanged and
 * at once; only the beginning of an event that may still be the usage chunk is held back. Bytes may be
 * cut anywhere.
 */
import { MAX_BROKEN_EVENTS } from '../event-reader.ts'

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a

/** Ten times the size of a usage chunk. A longer event passes. */
const MAX_HELD_BYTES = 8192
const NOTHING = Buffer.alloc(0)

/** A chunk with a choice. Text of the model cannot match, because its quotes are escaped. */
const HAS_CHOICE = /"choices"\s*:\s*\[\s*[^\]\s]/
/**
 * Not a field of an event, or not an object behind the first line that begins with `data:`. The search has no
 * repeat around the lines before: with two ways to read each CRLF it would take exponential time.
 */
const IS_NO_FIELD = /^[^deir]/
const FIRST_DATA = /^data: ?(.?)/ms

const isNotObject = (event: string): boolean =>
  IS_NO_FIELD.test(event) || /[^{\s]/.test(FIRST_DATA.exec(event)?.[1] ?? '')

const mayBecomeUsage = (event: string): boolean =>
  event.length <= MAX_HELD_BYTES && !isNotObject(event) && !HAS_CHOICE.test(event)

/** The data of an event's lines (WHATWG HTML §9.2.6). */
const dataOf = (event: string): string =>
  event
    .split(/\r\n|\r|\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice('data:'.length))
    .join('\n')

const joined = (parts: Buffer[]): Buffer =>
  parts.length < 2 ? (parts[0] ?? NOTHING) : Buffer.concat(parts)

/** @returns finds the first line end from an offset on, or the chunk's length; offsets must rise */
const lineEnds = (chunk: Buffer): ((from: number) => number) => {
  const find = (byte: number, from: number): number => {
    const found = chunk.indexOf(byte, from)
    return found < 0 ? chunk.length : found
  }
  let [lf, cr] = [-1, -1]
  return (from) => {
    if (lf < from) lf = find(LF, from)
    if (cr < from) cr = find(CR, from)
    return Math.min(lf, cr)
  }
}

/**
 * Filters one stream. A unit is an event with its empty line, or a comment line between events. The
 * syntax of JSON is ASCII, so bytes are read as latin1.
 */
export class UsageFilter {
  /** the current unit's bytes of earlier pieces that did not pass yet */
  private held = NOTHING
  private isUnitEmpty = true
  private isComment = false
  /** the current unit is not the usage chunk: the rest of it passes */
  private isPassing = false
  private isLineEmpty = true
  /** the last byte is a CR: an LF behind it belongs to the same line end */
  private behindCr = false
  private hidLast = false
  private broken = 0

  /** @returns the bytes that may pass now, possibly none */
  push(chunk: Buffer): Buffer {
    const passed: Buffer[] = []
    const lineEndFrom = lineEnds(chunk)
    /** offsets of the first byte that has not passed, and of the current unit */
    let from = 0
    let unitAt = 0
    for (let at = 0; at < chunk.length; at++) {
      if (!this.isLineEmpty) at = lineEndFrom(at)
      if (at === chunk.length) break
      const isRestOfLast = this.isUnitEmpty && this.behindCr && chunk[at] === LF
      if (isRestOfLast) this.behindCr = false
      else if (!this.endsUnit(chunk[at]!)) continue
      const isHidden = isRestOfLast ? this.hidLast : this.isHidden(chunk.subarray(unitAt, at + 1))
      if (isHidden) {
        if (unitAt > from) passed.push(chunk.subarray(from, unitAt))
        from = at + 1
      } else if (this.held.length > 0) passed.push(this.held)
      unitAt = at + 1
      this.beginUnit(isHidden)
    }
    if (!this.isUnitEmpty && this.holds(chunk.subarray(unitAt), passed)) {
      if (unitAt > from) passed.push(chunk.subarray(from, unitAt))
    } else if (from < chunk.length) passed.push(chunk.subarray(from))
    return joined(passed)
  }

  /** @returns the held bytes of a stream that ends within an event */
  end(): Buffer {
    const rest = this.held
    this.held = NOTHING
    return rest
  }

  /** Whether the byte ends the unit: it ends an empty line or a comment. */
  private endsUnit(byte: number): boolean {
    const isSecondHalf = this.behindCr && byte === LF
    this.behindCr = byte === CR
    if (isSecondHalf) return false
    const isLineEnd = byte === LF || byte === CR
    if (this.isUnitEmpty && byte === COLON) this.isComment = true
    const ends = isLineEnd && (this.isLineEmpty || this.isComment)
    this.isPassing ||= this.isComment
    this.isUnitEmpty = false
    this.isLineEmpty = isLineEnd
    return ends
  }

  private beginUnit(hidLast: boolean): void {
    this.held = NOTHING
    this.isUnitEmpty = true
    this.isLineEmpty = true
    this.isComment = false
    this.isPassing = false
    this.hidLast = hidLast
  }

  private isHidden(rest: Buffer): boolean {
    return !this.isPassing && this.isUsageChunk(this.textWith(rest))
  }

  private isUsageChunk(event: string): boolean {
    // a stream with so many has no usage chunk to hide
    if (this.broken === MAX_BROKEN_EVENTS) return false
    if (!event.includes('"usage"') || HAS_CHOICE.test(event)) return false
    try {
      const chunk = JSON.parse(dataOf(event)) as { choices?: unknown; usage?: unknown } | null
      const hasNoChoice = Array.isArray(chunk?.choices) && chunk.choices.length === 0
      return hasNoChoice && typeof chunk?.usage === 'object' && chunk.usage !== null
    } catch {
      this.broken++
      return false
    }
  }

  private textWith(rest: Buffer): string {
    return this.held.toString('latin1') + rest.toString('latin1')
  }

  /** @returns whether the beginning of a unit is held back; if not, its held bytes pass */
  private holds(rest: Buffer, passed: Buffer[]): boolean {
    if (!this.isPassing && mayBecomeUsage(this.textWith(rest))) {
      this.held = Buffer.concat([this.held, rest])
      return true
    }
    this.isPassing = true
    if (this.held.length > 0) passed.push(this.held)
    this.held = NOTHING
    return false
  }
}
