/**
 * Reads a logged answer: which spans of the sources its values were copied from, and which class each choice has.
 * What it reads is what `renderAnswer` turns into the same answer (`isSameAnswer`).
 */
import {
  labelChoices,
  unaskedChoices,
  type ChoiceNode,
  type CopiedNode,
  type Form,
  type FormNode,
  type ListNode,
  type ObjectNode,
  type SetNode,
} from './form.ts'
import { findJson } from './json/style.ts'
import { keyOf, type JsonValue } from './json/value.ts'
import { matchParts } from './match-parts.ts'
import { renderRow } from './render-answer.ts'
import { textOfScalar } from './copied-text.ts'
import { assignSpans, type FieldDemand } from './spans/assign.ts'
import { RowWords } from './spans/row-words.ts'
import { ValueSpans } from './spans/value-spans.ts'
import { beginOf, insideOf, type Targets } from './targets.ts'
import type { Source } from './words.ts'

const sorted = (value: JsonValue): JsonValue => {
  if (value.kind === 'list') return { ...value, items: value.items.map(sorted) }
  if (value.kind !== 'object') return value
  const members = value.members.map(([name, inner]): [string, JsonValue] => [name, sorted(inner)])
  return { ...value, members: members.sort(([one], [other]) => (one < other ? -1 : 1)) }
}

/** Members in another order take as many characters in one style. */
const isReordered = (one: string, other: string): boolean => {
  if (one.length !== other.length) return false
  const [first, second] = [findJson(one), findJson(other)]
  if (first === null || second === null) return false
  const isFramedAlike = first.prefix === second.prefix && first.suffix === second.suffix
  return isFramedAlike && keyOf(sorted(first.value)) === keyOf(sorted(second.value))
}

/**
 * Byte for byte, but for the order of members, in which JSON agrees: some upstreams change it from answer to answer.
 * @param given null where targets stand for no answer
 */
export const isSameAnswer = ({ style }: Form, given: string | null, logged: string): boolean =>
  given === logged || (given !== null && style !== null && isReordered(given, logged))

/** A logged request with its answer. */
export interface FormRow {
  sources: readonly Source[]
  answer: string
}

/** An optional member that is left out is undefined. */
type Value = JsonValue | undefined

interface Reading {
  choices: Int32Array
  fields: FieldDemand[]
  lists: FieldDemand[][][]
}

const isSame = (value: Value, node: FormNode | null): boolean =>
  node?.kind === 'constant'
    ? value !== undefined && keyOf(value) === node.json
    : node?.kind === 'absent' && value === undefined

class Reader {
  private readonly reading: Reading

  constructor(
    private readonly spans: ValueSpans,
    choices: Int32Array
  ) {
    this.reading = { choices, fields: [], lists: [] }
  }

  private demandOf(node: CopiedNode, value: Value): FieldDemand | null {
    const text = textOfScalar(value, node.as)
    const spans = text === null ? [] : this.spans.find(node.chain, text)
    if (spans.length === 0) return null
    const isOptional = isSame(value, node.otherwise)
    return { field: node.field, context: node.context, spans, isOptional }
  }

  private copied(node: CopiedNode, value: Value): boolean {
    const demand = this.demandOf(node, value)
    if (demand === null) return isSame(value, node.otherwise)
    const shared = this.reading.fields.find((one) => one.field === demand.field)
    if (shared === undefined) this.reading.fields.push(demand)
    else {
      const isShared = (from: number, to: number): boolean =>
        demand.spans.some((span) => span.from === from && span.to === to)
      shared.spans = shared.spans.filter((span) => isShared(span.from, span.to))
    }
    return shared === undefined || shared.spans.length > 0
  }

  private choice(node: ChoiceNode, value: Value): boolean {
    const { fields, lists, choices } = this.reading
    const before = { fields: fields.length, lists: lists.length, choices: choices.slice() }
    for (const [branch, child] of node.branches.entries()) {
      if (this.read(child, value)) {
        choices[node.choice] = branch
        return true
      }
      fields.length = before.fields
      lists.length = before.lists
      choices.set(before.choices)
    }
    return false
  }

  private set(node: SetNode, value: Value): boolean {
    if (value?.kind !== 'list') return false
    const keys = value.items.map(keyOf)
    if (!keys.every((key) => node.labels.includes(key))) return false
    for (const [label, choice] of labelChoices(node))
      this.reading.choices[choice] = keys.includes(label) ? 1 : 0
    return true
  }

  private object(node: ObjectNode, value: Value): boolean {
    if (value?.kind !== 'object') return false
    const values = new Map(value.members)
    const names = new Set(node.members.map((member) => member.name))
    if (value.members.some(([name]) => !names.has(name))) return false
    return node.members.every((member) => this.read(member.node, values.get(member.name)))
  }

  /** The demands of one item of a list. */
  private item(node: CopiedNode | ObjectNode, value: Value): FieldDemand[] | null {
    if (node.kind === 'copied') {
      const demand = this.demandOf(node, value)
      return demand && [demand]
    }
    if (value?.kind !== 'object') return null
    const values = new Map(value.members)
    const demands: FieldDemand[] = []
    for (const { name, node: member } of node.members) {
      if (member.kind === 'copied') {
        const demand = this.demandOf(member, values.get(name))
        if (demand) demands.push(demand)
        else if (!isSame(values.get(name), member.otherwise)) return null
      } else if (!isSame(values.get(name), member)) return null
    }
    return demands
  }

  private list(node: ListNode, value: Value): boolean {
    if (value?.kind !== 'list') return false
    const items: FieldDemand[][] = []
    for (const one of value.items) {
      const demands = this.item(node.item, one)
      if (demands === null) return false
      items.push(demands)
    }
    this.reading.lists.push(items)
    return true
  }

  private read(node: FormNode, value: Value): boolean {
    if (node.kind === 'constant' || node.kind === 'absent') return isSame(value, node)
    if (node.kind === 'copied') return this.copied(node, value)
    if (node.kind === 'choice') return this.choice(node, value)
    if (node.kind === 'set') return this.set(node, value)
    if (node.kind === 'object') return this.object(node, value)
    if (node.kind === 'list') return this.list(node, value)
    const holes = value?.kind === 'string' ? matchParts(node.parts, value.text) : null
    return holes?.every(({ hole, text }) => this.read(hole, { kind: 'string', text })) ?? false
  }

  targets(root: FormNode, value: JsonValue): Targets | null {
    const { row } = this.spans
    if (!this.read(root, value)) return null
    const assigned = assignSpans(row, this.reading.fields, this.reading.lists)
    if (assigned === null) return null
    const tags = new Int32Array(row.count)
    for (const { field, span } of assigned) {
      tags.fill(insideOf(field), span.from, span.to)
      tags[span.from] = beginOf(field)
    }
    return { tags, choices: this.reading.choices }
  }
}

/** The targets of a row. Null: the form does not give the answer. */
export const readTargets = (form: Form, row: FormRow): Targets | null => {
  const value: JsonValue | undefined = form.style
    ? findJson(row.answer)?.value
    : { kind: 'string', text: row.answer }
  if (value === undefined) return null
  const words = new RowWords(row.sources)
  const reader = new Reader(new ValueSpans(words), unaskedChoices(form))
  const targets = reader.targets(form.root, value)
  if (targets === null) return null
  return isSameAnswer(form, renderRow(form, words, targets), row.answer) ? targets : null
}
