/**
 * Turns scores into the best targets that the form allows: each choice its most probable class, each value on a span
 * that can be normalized, no two spans on one word.
 */
import {
  unaskedChoices,
  unaskedClass,
  sizesOf,
  type CopiedNode,
  type Form,
  type FormNode,
  type ListNode,
} from './form.ts'
import { itemAt, largestOf } from '../lists.ts'
import { decodeLists } from './decoding/decode-lists.ts'
import { chooseSpans } from './decoding/choose-spans.ts'
import { FieldTags, type AskedField } from './decoding/field-tags.ts'
import { RowWords } from './spans/row-words.ts'
import { beginOf, insideOf, type FieldScores, type Targets } from './targets.ts'
import type { Source } from './words.ts'

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
  private readonly scores: FieldScores

  constructor(form: Form, scores: FieldScores) {
    this.scores = scores
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
