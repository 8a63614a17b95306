/**
 * The form of a template's answers: a tree of what is constant, chosen and copied. Plain JSON data, which is stored
 * in a file. Knows neither how a form is found nor how one is filled.
 */
import { zip } from '../lists.ts'
import type { JsonStyle } from './json/style.ts'
import type { Chain } from './normalize/chains.ts'
import type { FormSizes } from './targets.ts'

/** One value everywhere. */
export interface ConstantNode {
  kind: 'constant'
  /** compact JSON */
  json: string
}

/** No value: the member is left out. */
export interface AbsentNode {
  kind: 'absent'
}

/**
 * The words around a field's value, where only one place of the message has the value: counts of words in lower case
 * by their place beside the value (-2, -1, 1, 2), the most frequent ones.
 */
export interface FieldContext {
  rows: number
  words: Record<string, Record<string, number>>
}

/** A value that stands in a source, as it is or normalized. */
export interface CopiedNode {
  kind: 'copied'
  /** places of the answer with always equal values share a field */
  field: number
  /** JSON type of the value */
  as: 'string' | 'number'
  chain: Chain
  /** where nothing is tagged; null: the value is required */
  otherwise: ConstantNode | AbsentNode | null
  context: FieldContext
  examples: string[]
  /** of a hole in a text: the syntax marks that its values may have (`copied-text.ts`); absent: all */
  marks?: string
}

/**
 * One of several branches, each a class: labels, values or none, objects or none, skeletons. Below another choice
 * there is one more class, which says that the choice is not asked.
 */
export interface ChoiceNode {
  kind: 'choice'
  choice: number
  branches: FormNode[]
  isConditional: boolean
}

/** A subset of labels in a fixed order; for each label a choice of two classes, out and in. */
export interface SetNode {
  kind: 'set'
  /** compact JSON of each label, in the order of the answer */
  labels: string[]
  choices: number[]
  isConditional: boolean
}

export interface ObjectNode {
  kind: 'object'
  /** in the order of the answer */
  members: { name: string; node: FormNode }[]
  /** orders of the members that are present, where the upstream writes these in another order */
  orders: string[][]
}

/** Copied values, or objects of copied values, in the order of the text. Empty where nothing is tagged. */
export interface ListNode {
  kind: 'list'
  item: CopiedNode | ObjectNode
  /** fields in the order in which the text has those of an item; absent: an item ends where one comes again */
  order?: number[]
}

/** A string of constant pieces and values. */
export interface TextNode {
  kind: 'text'
  parts: (string | FormNode)[]
}

export type FormNode =
  ConstantNode | AbsentNode | CopiedNode | ChoiceNode | SetNode | ObjectNode | ListNode | TextNode

export interface Form {
  /** null: the answer is the string that the root gives */
  style: JsonStyle | null
  root: FormNode
}

/** The nodes right below a node. */
export const childrenOf = (node: FormNode): FormNode[] => {
  if (node.kind === 'choice') return node.branches
  if (node.kind === 'object') return node.members.map((member) => member.node)
  if (node.kind === 'list') return [node.item]
  if (node.kind === 'text') return node.parts.filter((part) => typeof part !== 'string')
  return []
}

/** All nodes, parents first. */
export const nodesOf = (root: FormNode): FormNode[] => [root, ...childrenOf(root).flatMap(nodesOf)]

/** Classes of each choice and the number of copied fields. */
export const sizesOf = (form: Form): FormSizes => {
  let fields = 0
  const choices: number[] = []
  for (const node of nodesOf(form.root)) {
    if (node.kind === 'copied') fields = Math.max(fields, node.field + 1)
    else if (node.kind === 'choice')
      choices[node.choice] = node.branches.length + (node.isConditional ? 1 : 0)
    else if (node.kind === 'set')
      for (const choice of node.choices) choices[choice] = node.isConditional ? 3 : 2
  }
  return { fields, choices }
}

/** Each label of a set with its choice. */
export const labelChoices = ({ labels, choices }: SetNode): [label: string, choice: number][] =>
  zip(labels, choices)

/** The last class of a conditional choice: it is not asked. */
export const unaskedClass = (node: ChoiceNode | SetNode): number =>
  node.kind === 'set' ? 2 : node.branches.length

/** Class of each choice where none is asked. */
export const unaskedChoices = (form: Form): Int32Array => {
  const choices = new Int32Array(sizesOf(form).choices.length)
  for (const node of nodesOf(form.root)) {
    if (node.kind !== 'choice' && node.kind !== 'set') continue
    if (!node.isConditional) continue
    for (const choice of node.kind === 'set' ? node.choices : [node.choice])
      choices[choice] = unaskedClass(node)
  }
  return choices
}

const mapNode = (node: FormNode, change: (node: CopiedNode) => CopiedNode): FormNode => {
  const mapped = (inner: FormNode): FormNode => mapNode(inner, change)
  if (node.kind === 'copied') return change(node)
  if (node.kind === 'choice') return { ...node, branches: node.branches.map(mapped) }
  if (node.kind === 'object')
    return {
      ...node,
      members: node.members.map((member) => ({ ...member, node: mapped(member.node) })),
    }
  if (node.kind === 'list') return { ...node, item: mapped(node.item) as ListNode['item'] }
  if (node.kind === 'text')
    return {
      ...node,
      parts: node.parts.map((part) => (typeof part === 'string' ? part : mapped(part))),
    }
  return node
}

/** Without what single messages said: values that were copied, and the words around them. It decodes the same. */
export const withoutCopies = ({ style, root }: Form): Form => ({
  style,
  root: mapNode(root, (node) => ({ ...node, examples: [], context: { rows: 0, words: {} } })),
})
