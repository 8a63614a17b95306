/**
 * Turns scores into the best targets that the form allows: each choice its most probable class, each value on a span
 * that can be normalized, no two spans on one word.
 */
import {
  sizesOf,
  unaskedChoices,
  unaskedClass,
  type CopiedNode,
  type Form,
  type FormNode,
  type ListNode,
} from './form.ts'
import { itemAt, largestOf } from '../lists.ts'
import { chooseSpans, type ChosenSpan } from './decoding/choose-spans.ts'
import { FieldTags, type AskedField } from './decoding/field-tags.ts'
import { RowWords, type Span } from './spans/row-words.ts'
import { beginOf, insideOf, type FieldScores, type Targets } from './targets.ts'
import type { Source } from './words.ts'

/** State 0 is outside, 1 + 2·i begins field i of the list fields, 2 + 2·i continues it. */
class Trellis {
  private readonly states: number
  private readonly isTaken: Uint8Array
  private readonly previous: Uint16Array

  constructor(
    private readonly tags: FieldTags,
    private readonly asked: readonly AskedField[],
    taken: readonly ChosenSpan[]
  ) {
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
const decodeLists = (
  tags: FieldTags,
  asked: readonly AskedField[],
  taken: readonly ChosenSpan[]
): ChosenSpan[] => {
  if (asked.length === 0) return []
  return new Trellis(tags, asked, taken)
    .spans()
    .flatMap(({ asked: own, span }) => possiblePart(tags, own, span) ?? [])
}

export interface Decoded {
  targets: Targets
  /**
   * Natural logarithm of the probability of each reading, copied fields first, then choices. A field's reading is its
   * spans, and no span elsewhere: the sum over all words, as if they were independent. 0 where it is not asked.
   */
  fieldLogProbs: number[]
}

/** What the decoded choices ask for. */
class Plan {
  readonly choices: Int32Array
  readonly choiceLogProbs: number[]
  readonly fields = new Map<number, AskedField>()

  constructor(
    form: Form,
    private readonly scores: FieldScores
  ) {
    this.choices = unaskedChoices(form)
    this.choiceLogProbs = [...this.choices].map(() => 0)
    this.visit(form.root)
  }

  /** The most probable of the first classes; the one behind them says that the choice is not asked. */
  private decide(choice: number, classes: number): number {
    const best = largestOf(itemAt(this.scores.choices, choice), classes)
    this.choices[choice] = best.place
    this.choiceLogProbs[choice] = best.score
    return best.place
  }

  private ask(node: CopiedNode, isMany: boolean): void {
    const known = this.fields.get(node.field)
    if (known) {
      known.nodes.push(node)
      known.isRequired ||= node.otherwise === null
    } else {
      const isRequired = node.otherwise === null && !isMany
      this.fields.set(node.field, { field: node.field, nodes: [node], isRequired, isMany })
    }
  }

  private visitList({ item }: ListNode): void {
    const nodes = item.kind === 'copied' ? [item] : item.members.map((member) => member.node)
    for (const node of nodes) if (node.kind === 'copied') this.ask(node, true)
  }

  private visit(node: FormNode): void {
    if (node.kind === 'copied') this.ask(node, false)
    else if (node.kind === 'choice')
      this.visit(itemAt(node.branches, this.decide(node.choice, unaskedClass(node))))
    else if (node.kind === 'set')
      for (const choice of node.choices) this.decide(choice, unaskedClass(node))
    else if (node.kind === 'object') for (const member of node.members) this.visit(member.node)
    else if (node.kind === 'list') this.visitList(node)
    else if (node.kind === 'text')
      for (const part of node.parts) if (typeof part !== 'string') this.visit(part)
  }
}

/**
 * The best targets with the probability of each field's reading. Linear in the words. A required field is left untagged
 * only where no span can be normalized, or other fields want all of them; then `renderAnswer` gives null.
 * @param scores of the row's words in the order of the sources
 */
export const decodeTargets = (
  form: Form,
  sources: readonly Source[],
  scores: FieldScores
): Decoded => {
  const row = new RowWords(sources)
  const plan = new Plan(form, scores)
  const { fields } = sizesOf(form)
  const asked = [...plan.fields.values()]
  const tags = new FieldTags(row, scores.tags, 1 + 2 * fields, asked)
  const singles = chooseSpans(
    tags,
    asked.filter(({ isMany }) => !isMany)
  )
  const lists = decodeLists(
    tags,
    asked.filter(({ isMany }) => isMany),
    singles
  )
  const chosen = [...singles, ...lists]
  const targets: Targets = { tags: new Int32Array(row.count), choices: plan.choices }
  for (const { field, span } of chosen) {
    targets.tags.fill(insideOf(field), span.from, span.to)
    targets.tags[span.from] = beginOf(field)
  }
  const logProbs = Array.from({ length: fields }, () => 0)
  for (const { field } of asked) {
    const spans = chosen.filter((one) => one.field === field).map(({ span }) => span)
    logProbs[field] = tags.logProbOf(field, spans)
  }
  return { targets, fieldLogProbs: [...logProbs, ...plan.choiceLogProbs] }
}
