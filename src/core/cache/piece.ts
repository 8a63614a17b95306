/**
 * The pieces of a request in the order in which providers read it. Of a text a piece keeps its hash, its length and
 * its start, so that a log of any length is compared in bounded memory. Knows nothing of templates or time.
 */
import { hashText, toInteger } from '../request/request-scan.ts'

/**
 * `constant`, `slot`, `examples` and `query` as the template has them, `after` a message behind the template's own;
 * `line` of a request without a template
 */
export type Part = 'tool' | 'role' | 'constant' | 'slot' | 'examples' | 'query' | 'after' | 'line'

export interface Piece {
  /** equal for equal texts, below 2^53 */
  hash: number
  /** of the whole text, in UTF-8 */
  bytes: number
  /** the start of the text, `HEAD_CHARS` at most */
  head: string
  part: Part
  /** of the slot, the examples, the tool or the role; '' for constant text */
  name: string
  endsLine: boolean
}

/** Longest date, name or identifier, with room for the words around it. */
export const HEAD_CHARS = 120
const SEED = 0x0ca_c4e
/** Objects that later requests share; what is repeated less often is made again. */
const MOST_SHARED = 4000
const LONG_LINE_CHARS = 160
const LEAST_SENTENCE_CHARS = 24
const MOST_CHARS = 2048
/** Of one message; the rest of its text is one piece. */
const MOST_PIECES = 512

/** A text of its own: a part of a parsed body would keep all of it in memory. */
const detached = (text: string): string => Buffer.from(text, 'utf16le').toString('utf16le')

/** Makes pieces, and gives one object for equal ones: prompts of one template share most of theirs. */
export class PiecePool {
  private readonly shared = new Map<number, Piece>()
  private readonly anchors = new Map<object, readonly Piece[]>()

  /** @param name see `Piece` */
  of(text: string, part: Part, name = ''): Piece {
    const hash = toInteger(hashText(text, SEED))
    const known = this.shared.get(hash)
    if (known?.part === part && known.name === name) return known
    if (this.shared.size >= MOST_SHARED) this.shared.clear()
    const piece: Piece = {
      hash,
      bytes: Buffer.byteLength(text),
      head: detached(text.slice(0, HEAD_CHARS)),
      part,
      name: detached(name),
      endsLine: text.endsWith('\n'),
    }
    this.shared.set(hash, piece)
    return piece
  }

  /** Pieces of constant text, made once for each template: those of a thousand templates are more than are shared. */
  ofAnchor(segment: { text: string }): readonly Piece[] {
    const known = this.anchors.get(segment)
    if (known !== undefined) return known
    const pieces = linesOf(segment.text).map((line) => this.of(line, 'constant'))
    this.anchors.set(segment, pieces)
    return pieces
  }
}

/** End of the piece that starts at `from`: of a line, or of a sentence of a long one. */
const endOf = (text: string, from: number): number => {
  const found = text.indexOf('\n', from)
  const line = found < 0 ? text.length : found + 1
  if (line - from <= LONG_LINE_CHARS) return line
  const stop = text.indexOf('. ', from + LEAST_SENTENCE_CHARS)
  const end = stop < 0 || stop + 2 > line ? line : stop + 2
  return Math.min(end, from + MOST_CHARS)
}

/** The lines of a text, long ones by sentence; joined they are the text. Linear in it. */
export const linesOf = (text: string): string[] => {
  const lines: string[] = []
  let from = 0
  while (from < text.length && lines.length < MOST_PIECES - 1) {
    const end = endOf(text, from)
    lines.push(text.slice(from, end))
    from = end
  }
  if (from < text.length) lines.push(text.slice(from))
  return lines
}
