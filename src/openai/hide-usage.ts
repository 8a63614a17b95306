/**
 * Takes the usage chunk out of a stream of a chat completion whose client did not ask for it: the
 * event whose `choices` are an empty list and whose `usage` is an object. All other bytes pass as
 * they are and at once; held back is only the beginning of an event that may still be that one.
 * Works on bytes cut anywhere. Knows nothing of connections.
 */

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a

/** A usage chunk is a tenth of it; a longer event passes. */
const MAX_HELD_BYTES = 8192
const NOTHING = Buffer.alloc(0)

/** A chunk with a choice. In the model's text a quote is escaped, so nothing matches there. */
const HAS_CHOICE = /"choices"\s*:\s*\[\s*[^\]\s]/
/** Neither a field of an event nor, behind its first `data:`, an object. */
const IS_NO_OBJECT = /^[^deir]|^(?:(?!data:)[^\r\n]*[\r\n]+)*data: ?[^{\s]/

const mayBecomeUsage = (event: string): boolean =>
  event.length <= MAX_HELD_BYTES && !IS_NO_OBJECT.test(event) && !HAS_CHOICE.test(event)

/** The event's data as its lines say (WHATWG HTML §9.2.6). */
const dataOf = (event: string): string =>
  event
    .split(/\r\n|\r|\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice('data:'.length))
    .join('\n')

const isUsageChunk = (event: string): boolean => {
  if (!event.includes('"usage"') || HAS_CHOICE.test(event)) return false
  try {
    const chunk = JSON.parse(dataOf(event)) as { choices?: unknown; usage?: unknown } | null
    const hasNoChoice = Array.isArray(chunk?.choices) && chunk.choices.length === 0
    return hasNoChoice && typeof chunk?.usage === 'object' && chunk.usage !== null
  } catch {
    return false
  }
}

const joined = (parts: Buffer[]): Buffer =>
  parts.length < 2 ? (parts[0] ?? NOTHING) : Buffer.concat(parts)

/** @returns the first line end from a place on, the chunk's length without one; for rising places */
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
 * One stream, in units: an event with its empty line, or a comment between events. JSON and its
 * signs are ASCII, so texts are read as latin1.
 */
export class UsageFilter {
  /** the unit under way as far as it came in earlier pieces and did not pass */
  private held = NOTHING
  private isUnitEmpty = true
  private isComment = false
  /** the unit under way is not the one: what comes of it passes */
  private isPassing = false
  private isLineEmpty = true
  /** a CR came last: an LF behind it is part of the same line end */
  private behindCr = false
  private hidLast = false

  /** @returns what of the stream may pass now, possibly nothing */
  push(chunk: Buffer): Buffer {
    const passed: Buffer[] = []
    const lineEndFrom = lineEnds(chunk)
    /** where in the chunk begins what is not passed yet, and where the unit under way */
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

  /** What is left of a stream that ends within an event. */
  end(): Buffer {
    const rest = this.held
    this.held = NOTHING
    return rest
  }

  /** Whether the unit ends with the byte: behind an empty line or behind a comment. */
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
    return !this.isPassing && isUsageChunk(this.textWith(rest))
  }

  private textWith(rest: Buffer): string {
    return this.held.toString('latin1') + rest.toString('latin1')
  }

  /** @returns whether the beginning of a unit is kept; if not, what was kept of it passes */
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
