/** Writes the answer that targets stand for, byte for byte as the upstream writes. */
import { valueIn } from '../lists.ts'
import { copiedText, isUsualText } from './copied-text.ts'
import {
  labelChoices,
  type ChoiceNode,
  type CopiedNode,
  type Form,
  type FormNode,
  type ListNode,
  type ObjectNode,
  type TextNode,
} from './form.ts'
import { writeJson } from './json/style.ts'
import { valueOf, type JsonValue } from './json/value.ts'
import { RowWords, type Span } from './spans/row-words.ts'
import type { Targets } from './targets.ts'
import type { Source } from './words.ts'

/** A span of the sources that is tagged with a field. */
interface TaggedSpan extends Span {
  field: number
}

/** Thrown within this file: the targets stand for no answer. */
class NoAnswer extends Error {}

/** The tagged spans in the order of the text. A span ends with its source. */
export const taggedSpans = (row: RowWords, tags: Int32Array): TaggedSpan[] => {
  const spans: TaggedSpan[] = []
  for (const { first, end } of row.sources) {
    let open: TaggedSpan | null = null
    for (let word = first; word < end; word++) {
      const tag = tags[word]!
      const field = (tag - 1) >> 1
      if (tag === 0) open = null
      else if (tag % 2 === 1 || open === null || open.field !== field) {
        open = { field, from: word, to: word + 1 }
        spans.push(open)
      } else open.to = word + 1
    }
  }
  return spans
}

/** Spans by field of each item: they share an item until one repeats, or one comes that stands before the last. */
export const groupItems = (
  spans: readonly TaggedSpan[],
  order: readonly number[] = []
): Map<number, TaggedSpan>[] => {
  const items: Map<number, TaggedSpan>[] = []
  let last = -1
  for (const span of spans) {
    let item = items.at(-1)
    const place = order.indexOf(span.field)
    const isBefore = place >= 0 && place < last
    if (item === undefined || item.has(span.field) || isBefore) {
      items.push((item = new Map()))
      last = -1
    }
    item.set(span.field, span)
    last = Math.max(last, place)
  }
  return items
}

const fieldsOf = (item: CopiedNode | ObjectNode): Set<number> => {
  const nodes = item.kind === 'copied' ? [item] : item.members.map((member) => member.node)
  return new Set(nodes.flatMap((node) => (node.kind === 'copied' ? [node.field] : [])))
}

export const isOfList = ({ item }: ListNode): ((span: TaggedSpan) => boolean) => {
  const fields = fieldsOf(item)
  return ({ field }) => fields.has(field)
}

class Renderer {
  private readonly spans: TaggedSpan[]
  private readonly choices: Int32Array

  constructor(
    private readonly row: RowWords,
    targets: Targets
  ) {
    if (targets.tags.length !== this.row.count) throw new NoAnswer()
    this.spans = taggedSpans(this.row, targets.tags)
    this.choices = targets.choices
  }

  private copied(node: CopiedNode, span: TaggedSpan | undefined): JsonValue | undefined {
    if (span === undefined) {
      if (node.otherwise === null) throw new NoAnswer()
      return this.value(node.otherwise)
    }
    return this.copiedFrom(node, span)
  }

  private copiedFrom(node: CopiedNode, span: TaggedSpan): JsonValue {
    const text = copiedText(node, this.row.textOf(span))
    if (text === null || !isUsualText(node, text)) throw new NoAnswer()
    return node.as === 'number' ? { kind: 'literal', text } : { kind: 'string', text }
  }

  private choice(node: ChoiceNode): JsonValue | undefined {
    const branch = node.branches[this.choices[node.choice] ?? -1]
    if (branch === undefined) throw new NoAnswer()
    return this.value(branch)
  }

  private object(
    node: ObjectNode,
    valueOfMember: (node: FormNode) => JsonValue | undefined
  ): JsonValue {
    const values = new Map<string, JsonValue>()
    for (const { name, node: member } of node.members) {
      const value = valueOfMember(member)
      if (value !== undefined) values.set(name, value)
    }
    const order = node.orders.find(
      (names) => names.length === values.size && names.every((name) => values.has(name))
    )
    const names = order ?? [...values.keys()]
    return { kind: 'object', members: names.map((name) => [name, valueIn(values, name)]) }
  }

  private list(node: ListNode): JsonValue {
    const { item } = node
    const spans = this.spans.filter(isOfList(node))
    if (item.kind === 'copied')
      return { kind: 'list', items: spans.map((span) => this.copiedFrom(item, span)) }
    const items = groupItems(spans, node.order).map((own) =>
      this.object(item, (member) =>
        member.kind === 'copied' ? this.copied(member, own.get(member.field)) : this.value(member)
      )
    )
    return { kind: 'list', items }
  }

  private text(node: TextNode): JsonValue {
    const texts = node.parts.map((part) => {
      if (typeof part === 'string') return part
      const value = this.value(part)
      if (value?.kind !== 'string') throw new NoAnswer()
      return value.text
    })
    return { kind: 'string', text: texts.join('') }
  }

  private single(node: CopiedNode): JsonValue | undefined {
    const own = this.spans.filter((span) => span.field === node.field)
    if (own.length > 1) throw new NoAnswer()
    return this.copied(node, own[0])
  }

  value(node: FormNode): JsonValue | undefined {
    if (node.kind === 'constant') return valueOf(node.json)
    if (node.kind === 'absent') return undefined
    if (node.kind === 'copied') return this.single(node)
    if (node.kind === 'choice') return this.choice(node)
    if (node.kind === 'object') return this.object(node, (member) => this.value(member))
    if (node.kind === 'list') return this.list(node)
    if (node.kind === 'text') return this.text(node)
    const chosen = labelChoices(node).filter(([, choice]) => this.choices[choice] === 1)
    return { kind: 'list', items: chosen.map(([label]) => valueOf(label)) }
  }
}

/**
 * The answer of the targets; null where they stand for none: a required value is not tagged, a value is tagged twice,
 * a tagged text cannot be normalized, or it has marks that might have to be escaped.
 */
export const renderAnswer = (
  form: Form,
  sources: readonly Source[],
  targets: Targets
): string | null => renderRow(form, new RowWords(sources), targets)

/** As `renderAnswer`, of sources whose words are known. */
export const renderRow = (form: Form, row: RowWords, targets: Targets): string | null => {
  try {
    const value = new Renderer(row, targets).value(form.root)
    if (value === undefined) return null
    if (form.style) return writeJson(value, form.style)
    return value.kind === 'string' ? value.text : null
  } catch (error) {
    if (error instanceof NoAnswer) return null
    throw error
  }
}
