/**
 * Names the branches that an answer takes in its form, told from the answer alone: a live route has no use for the
 * places that values were copied from, so where several branches fit, the one with the most constant text is taken. A
 * name says the same of every answer.
 */
import { isUsualText, textOfScalar } from './copied-text.ts'
import { joined, skeletonText } from './describe-form.ts'
import type { Form, FormNode } from './form.ts'
import { findJson } from './json/style.ts'
import { keyOf, type JsonValue } from './json/value.ts'
import { matchParts } from './match-parts.ts'

/** Undefined: a member that is left out. */
type Value = JsonValue | undefined
/** Null: the node does not give the value. */
type Names = string[] | null

const all = (names: readonly Names[]): Names => {
  const known = names.filter((one) => one !== null)
  return known.length === names.length ? known.flat() : null
}

/** Of a branch, for the order in which branches are tried. */
const constantChars = (node: FormNode): number => {
  if (node.kind === 'constant' || node.kind === 'absent') return Infinity
  if (node.kind === 'copied') return -1
  if (node.kind !== 'text') return 0
  return node.parts.reduce((sum, part) => sum + (typeof part === 'string' ? part.length : 0), 0)
}

/** `intent="book"`, `note absent`, `day copied`, `#2: Thank you for order …` */
const branchName = (path: string, branch: FormNode, number: number): string => {
  if (branch.kind === 'absent') return `${path} absent`
  if (branch.kind === 'constant') return `${path}=${branch.json}`
  if (branch.kind === 'copied') return `${path} copied`
  return `${path}#${number + 1}: ${branch.kind === 'text' ? skeletonText(branch) : '…'}`
}

const read = (node: FormNode, value: Value, path: string): Names => {
  if (node.kind === 'absent') return value === undefined ? [] : null
  if (node.kind === 'constant') return value !== undefined && keyOf(value) === node.json ? [] : null
  if (node.kind === 'copied') {
    const { otherwise } = node
    const text = textOfScalar(value, node.as)
    const isOtherwise = otherwise !== null && read(otherwise, value, path) !== null
    if (!isOtherwise && (text === null || !isUsualText(node, text))) return null
    return otherwise === null ? [] : [branchName(path, isOtherwise ? otherwise : node, 0)]
  }
  if (node.kind === 'choice') {
    const branches = node.branches
      .map((branch, number) => ({ branch, number }))
      .toSorted((one, other) => constantChars(other.branch) - constantChars(one.branch))
    for (const { branch, number } of branches) {
      const inner = read(branch, value, branch.kind === 'text' ? `${path}#${number + 1}` : path)
      if (inner !== null) return [branchName(path, branch, number), ...inner]
    }
    return null
  }
  if (node.kind === 'text') {
    const holes = value?.kind === 'string' ? matchParts(node.parts, value.text) : null
    return (
      holes &&
      all(
        holes.map(({ hole, text }, at) =>
          read(hole, { kind: 'string', text }, `${path}{${at + 1}}`)
        )
      )
    )
  }
  if (node.kind === 'object') {
    if (value?.kind !== 'object') return null
    const values = new Map(value.members)
    return all(
      node.members.map(({ name, node: member }) =>
        read(member, values.get(name), joined(path, name))
      )
    )
  }
  if (value?.kind !== 'list') return null
  if (node.kind === 'list') return []
  return value.items.map((item) => `${path} has ${keyOf(item)}`)
}

/** @returns none where the answer is not of the form */
export const branchNames = (form: Form, answer: string): string[] => {
  const value = form.style ? findJson(answer)?.value : ({ kind: 'string', text: answer } as const)
  return [...new Set((value && read(form.root, value, '')) ?? [])]
}
