/** What a search for a form knows of the rows: their sources, read when a value is looked for. */
import type { CopiedNode, FormNode } from '../form.ts'
import { itemAt } from '../../lists.ts'
import type { JsonValue } from '../json/value.ts'
import { RowWords } from '../spans/row-words.ts'
import { ValueSpans } from '../spans/value-spans.ts'
import type { Source } from '../words.ts'

/** A place of the answer in one row; undefined where a member is left out. */
export interface Entry {
  row: number
  value: JsonValue | undefined
}

/** A value in one row, as it was logged. */
export interface RowText {
  row: number
  text: string
}

/** A copied node with the logged value of each row that has one. */
export interface LoggedNode {
  node: CopiedNode
  values: ReadonlyMap<number, string>
}

/** Finds the node of entries: passed to where nodes of parts are needed. */
export type InferNode = (entries: readonly Entry[]) => FormNode

/** Rows whose words are kept: 100 kB each for a query of 3,000 words. */
const MAX_KEPT_ROWS = 700
/** Rows that fields are looked for in, as long as these have the field. */
const SAMPLED_ROWS = 500
/** Rows that a rule of a field is chosen by; 98 % of them is then 97.5 % or more of all rows, give or take one. */
const SAMPLE = 300
/** So many rows are enough for a rare field. */
const FEW = 100
/** Rows that two fields are compared on. */
const COMPARED = 80

/** Any irrational number: its multiples fall on all parts of an interval alike. */
const GOLDEN = 0.6180339887498949

/**
 * At most `count` of the items, in their order: one of each of `count` neighbourhoods, at a place that changes, so
 * that rows that alternate are all seen.
 */
export const sampleOf = <Item extends {}>(items: readonly Item[], count = SAMPLE): Item[] => {
  if (items.length <= count) return [...items]
  return Array.from({ length: count }, (_, at) =>
    itemAt(items, Math.floor(((at + ((at * GOLDEN) % 1)) * items.length) / count))
  )
}

export class Search {
  /** rows that are read anyway */
  private readonly sampled: ReadonlySet<number>
  private readonly sourcesOf: (row: number) => readonly Source[]
  private readonly kept = new Map<number, ValueSpans>()
  /** by copied node, the logged value of each row that has one; nodes of lists have none */
  readonly values = new Map<CopiedNode, Map<number, string>>()
  private readonly compared = new Map<CopiedNode, RowText[]>()

  constructor(rows: readonly { sources: readonly Source[] }[]) {
    this.sourcesOf = (row) => itemAt(rows, row).sources
    this.sampled = new Set(sampleOf([...rows.keys()], SAMPLED_ROWS))
  }

  /**
   * A sample of the items: of the sampled rows, which are read once for all fields, as far as enough of these have the
   * item.
   */
  sample<Item extends { row: number }>(items: readonly Item[], count = SAMPLE): Item[] {
    const known = items.filter(({ row }) => this.sampled.has(row))
    const least = Math.min(FEW, count)
    return known.length >= least ? sampleOf(known, count) : sampleOf(items, least)
  }

  /** The node with its values; null for one of a list. */
  logged(node: CopiedNode): LoggedNode | null {
    const values = this.values.get(node)
    return values ? { node, values } : null
  }

  /** Values of a node that it is compared with others on. */
  comparedTexts({ node, values }: LoggedNode): RowText[] {
    let texts = this.compared.get(node)
    if (texts === undefined) {
      const all = [...values].map(([row, text]): RowText => ({ row, text }))
      texts = this.sample(all, COMPARED)
      this.compared.set(node, texts)
    }
    return texts
  }

  sources(row: number): readonly Source[] {
    return this.sourcesOf(row)
  }

  spansOf(row: number): ValueSpans {
    let spans = this.kept.get(row)
    if (spans !== undefined) return spans
    const [oldest] = this.kept.keys()
    if (oldest !== undefined && this.kept.size === MAX_KEPT_ROWS) this.kept.delete(oldest)
    spans = new ValueSpans(new RowWords(this.sources(row)))
    this.kept.set(row, spans)
    return spans
  }
}
