/** Says how a form of a template's answers differs from an earlier one. Reads descriptions, since forms of the past are not kept. */
import type { FieldDescription } from './describe-form.ts'

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

/** Empty where nothing is known to differ: the words of a sole skeleton are in no description. */
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
