/** The most probable spans of list fields on the words that no other field has: Viterbi over begin, inside, outside. */
import type { ChosenSpan } from './choose-spans.ts'
import type { Span } from '../spans/row-words.ts'
import type { AskedField, FieldTags } from './field-tags.ts'
import { largestOf } from '../../lists.ts'

/** State 0 is outside, 1 + 2·i begins field i of the list fields, 2 + 2·i continues it. */
class Trellis {
  private readonly tags: FieldTags
  private readonly asked: readonly AskedField[]
  private readonly states: number
  private readonly isTaken: Uint8Array
  private readonly previous: Uint16Array

  constructor(tags: FieldTags, asked: readonly AskedField[], taken: readonly ChosenSpan[]) {
    this.tags = tags
    this.asked = asked
    this.states = 1 + 2 * asked.length
    this.isTaken = new Uint8Array(tags.row.count)
    for (const { span } of taken) this.isTaken.fill(1, span.from, span.to)
    this.previous = new Uint16Array(tags.row.count * this.states)
  }

  private step(word: number, scores: Float64Array, isFirst: boolean): Float64Array {
    const best = largestOf(scores)
    const next = new Float64Array(this.states).fill(-Infinity)
    const from = word * this.states
    this.previous.fill(best.place, from, from + this.states)
    next[0] = best.score + (this.isTaken[word] ? 0 : this.tags.none(word))
    if (this.isTaken[word]) return next
    for (const [at, { field }] of this.asked.entries()) {
      const [begin, inside] = [1 + 2 * at, 2 + 2 * at]
      next[begin] = best.score + this.tags.begin(word, field)
      // a span ends with its source
      if (isFirst) continue
      const [begun, continued] = [scores[begin]!, scores[inside]!]
      next[inside] = Math.max(begun, continued) + this.tags.inside(word, field)
      this.previous[from + inside] = continued > begun ? inside : begin
    }
    return next
  }

  private path(): Int32Array {
    const { row } = this.tags
    let scores: Float64Array = new Float64Array(this.states).fill(-Infinity)
    scores[0] = 0
    const firsts = new Set(row.sources.map(({ first }) => first))
    for (let word = 0; word < row.count; word++) scores = this.step(word, scores, firsts.has(word))
    const path = new Int32Array(row.count)
    let state = largestOf(scores).place
    for (let word = row.count - 1; word >= 0; word--) {
      path[word] = state
      state = this.previous[word * this.states + state]!
    }
    return path
  }

  spans(): { asked: AskedField; span: Span }[] {
    const path = this.path()
    const spans: { asked: AskedField; span: Span }[] = []
    for (const [word, state] of path.entries()) {
      const asked = this.asked[(state - 1) >> 1]
      if (state % 2 === 0 || asked === undefined) continue
      let to = word + 1
      while (path[to] === state + 1) to++
      spans.push({ asked, span: { from: word, to } })
    }
    return spans
  }
}

/** Words of a span that parts are looked for in: the number of parts is the square of it. */
const MAX_WORDS = 64

/** The span, or the longest part of its beginning that the field can have; null if it can have none. */
const possiblePart = (tags: FieldTags, asked: AskedField, span: Span): ChosenSpan | null => {
  const { field } = asked
  if (tags.isPossible(asked, span)) return { field, span }
  const end = Math.min(span.to, span.from + MAX_WORDS)
  for (let length = end - span.from; length > 0; length--) {
    for (let from = span.from; from + length <= end; from++) {
      const part = { from, to: from + length }
      if (tags.isPossible(asked, part)) return { field, span: part }
    }
  }
  return null
}

/**
 * @param asked fields of lists
 * @param taken spans of other fields
 */
export const decodeLists = (
  tags: FieldTags,
  asked: readonly AskedField[],
  taken: readonly ChosenSpan[]
): ChosenSpan[] => {
  if (asked.length === 0) return []
  return new Trellis(tags, asked, taken)
    .spans()
    .flatMap(({ asked: own, span }) => possiblePart(tags, own, span) ?? [])
}
