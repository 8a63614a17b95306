/** Says what a form holds, for people. */
import type { FoundForm } from './find-form.ts'
import {
  childrenOf,
  withoutCopies,
  type CopiedNode,
  type Form,
  type FormNode,
  type TextNode,
} from './form.ts'
import { valueOf } from './json/value.ts'

export interface FieldDescription {
  /** places of the answer: `order.items[].name`; `{2}` is the second hole of a text */
  path: string
  kind: 'constant' | 'choice' | 'copied' | 'set'
  /** rules from the text of the message to the value; empty for other kinds */
  rules: string[]
  /** of copied values, or all values of a choice; an answer's part that has values of its own is `…` */
  examples: string[]
  isOptional: boolean
  /** whether the message may have several of it */
  isList: boolean
}

interface Place {
  path: string
  isOptional: boolean
  isList: boolean
}

const MAX_SHOWN_CHARS = 60

const shortened = (text: string): string =>
  text.length <= MAX_SHOWN_CHARS ? text : `${text.slice(0, MAX_SHOWN_CHARS - 1).trimEnd()}…`

/** A value for a person: a string without its quotes. */
const shown = (json: string): string => {
  const value = valueOf(json)
  return shortened(value.kind === 'string' ? value.text : json)
}

/** Its beginning, with `…` for holes. */
export const skeletonText = ({ parts }: TextNode): string =>
  shortened(parts.map((part) => (typeof part === 'string' ? part : '…')).join(''))

const exampleOf = (node: FormNode): string[] => {
  if (node.kind === 'constant') return [shown(node.json)]
  if (node.kind === 'absent') return []
  return [node.kind === 'text' ? skeletonText(node) : '…']
}

const copiedField = (node: CopiedNode, place: Place): FieldDescription => ({
  ...place,
  kind: 'copied',
  rules: node.chain,
  examples: node.examples.map(shortened),
  isOptional: place.isOptional || node.otherwise !== null,
})

export const joined = (path: string, name: string): string =>
  path === '' ? name : `${path}.${name}`

/** The fields of an answer's part, in the order of the answer. */
const describe = (node: FormNode, place: Place): FieldDescription[] => {
  const { path } = place
  if (node.kind === 'absent') return []
  if (node.kind === 'copied') return [copiedField(node, place)]
  if (node.kind === 'object')
    return node.members.flatMap((member) =>
      describe(member.node, { ...place, path: joined(path, member.name) })
    )
  if (node.kind === 'list')
    return describe(node.item, { ...place, path: `${path}[]`, isList: true })
  if (node.kind === 'text')
    return childrenOf(node).flatMap((hole, at) =>
      describe(hole, { ...place, path: `${path}{${at + 1}}` })
    )
  if (node.kind === 'constant')
    return [{ ...place, kind: 'constant', rules: [], examples: exampleOf(node) }]
  if (node.kind === 'set')
    return [{ ...place, kind: 'set', rules: [], examples: node.labels.map(shown), isList: true }]
  const isOptional = place.isOptional || node.branches.some(({ kind }) => kind === 'absent')
  const examples = node.branches.flatMap(exampleOf)
  const inner = node.branches.flatMap((branch, at) => {
    if (branch.kind === 'constant') return []
    const own = branch.kind === 'text' ? `${path}#${at + 1}` : path
    return describe(branch, { ...place, path: own, isOptional: true })
  })
  return [{ ...place, kind: 'choice', rules: [], examples, isOptional }, ...inner]
}

/** A form and how much of the log it explains. */
export interface FormSummary {
  /** share of the answers that it gives again (`same-answer.ts`), 0 to 1 */
  explained: number
  fields: FieldDescription[]
}

/** All fields, in the order of the answer. */
export const describeForm = (form: Form): FieldDescription[] =>
  describe(form.root, { path: '', isOptional: false, isList: false })

/** Without what single messages said. */
export const formSummary = ({
  form,
  explained,
}: Pick<FoundForm, 'form' | 'explained'>): FormSummary => ({
  explained,
  fields: describeForm(withoutCopies(form)),
})

/** Where a value is and how it comes about: `"day": copied (date)`. */
const placeText = ({ path, kind, rules }: FieldDescription): string =>
  `"${path}": ${kind}${rules.length === 0 ? '' : ` (${rules.join(', ')})`}`

/** How a form differs from an earlier one, by their descriptions, since forms of the past are not kept. */
export const formChanges = (
  before: readonly FieldDescription[],
  now: readonly FieldDescription[]
): string[] => {
  const [old, newer] = [before.map(placeText), now.map(placeText)]
  const added = newer.filter((place) => !old.includes(place))
  const removed = old.filter((place) => !newer.includes(place))
  return [
    ...(added.length > 0 ? [`added ${added.join(', ')}`] : []),
    ...(removed.length > 0 ? [`removed ${removed.join(', ')}`] : []),
  ]
}
