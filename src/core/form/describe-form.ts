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

type Fields = readonly FieldDescription[]

/** The member that a place belongs to: a skeleton's holes are places of their own. Empty: the whole answer. */
const memberOf = ({ path }: FieldDescription): string => path.replace(/[#{].*/s, '')

/** In the order of the answer. */
const membersOf = (fields: Fields): string[] => [...new Set(fields.map(memberOf))]

const skeletonsOf = (fields: Fields, member: string): number => {
  const holes = fields.filter((field) => memberOf(field) === member && field.path !== member)
  const numbers = new Set(holes.map(({ path }) => /#\d+/.exec(path.slice(member.length))?.[0]))
  return numbers.size
}

/** How a member's value comes about. */
const makingOf = ({ kind, rules }: FieldDescription): string =>
  kind === 'copied' ? `copied (${rules.join(', ')})` : kind

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ')

const memberChange = (before: Fields, now: Fields, member: string): string[] => {
  const where = member === '' ? '' : `"${member}": `
  const [old, newer] = [skeletonsOf(before, member), skeletonsOf(now, member)]
  if (old !== newer) return [`${where}${newer} skeletons instead of ${old}`]
  const [one, other] = [before, now].map((fields) => fields.find(({ path }) => path === member))
  if (one === undefined || other === undefined) return []
  if (newer > 0) {
    const fresh = other.examples.filter((text) => !one.examples.includes(text)).length
    return fresh === 0 ? [] : [`${where}${fresh} of ${newer} skeletons are new`]
  }
  const [was, is] = [makingOf(one), makingOf(other)]
  return was === is ? [] : [`${where}${is} instead of ${was}`]
}

/**
 * How a form differs from an earlier one, by their descriptions, since forms of the past are not kept. Empty where nothing
 * is known to differ: the words of a sole skeleton are in no description.
 */
export const formChanges = (before: Fields, now: Fields): string[] => {
  const [old, newer] = [membersOf(before), membersOf(now)]
  const added = newer.filter((name) => !old.includes(name))
  const removed = old.filter((name) => !newer.includes(name))
  const kept = newer.filter((name) => old.includes(name))
  const isReordered = old.filter((name) => newer.includes(name)).join('\n') !== kept.join('\n')
  return [
    ...(added.length > 0 ? [`added: ${quoted(added)}`] : []),
    ...(removed.length > 0 ? [`removed: ${quoted(removed)}`] : []),
    ...(isReordered ? ['another order of members'] : []),
    ...kept.flatMap((member) => memberChange(before, now, member)),
  ]
}
