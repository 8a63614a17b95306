/**
 * One message of a template, compiled: takes a message's text apart, or refuses it. Matching is exact:
 * every anchor must be equal, and an anchor between two variable parts must occur exactly once.
 */
import type { Segment, TemplateMessage } from '../template/template.ts'

type Variable = Exclude<Segment, { kind: 'anchor' }>

interface Part {
  variable: Variable
  /** constant text behind the variable part; '' at the end of a message */
  anchor: string
  /** values that a kept enum slot may have; null for every other part */
  allowed: ReadonlySet<string> | null
}

export interface MessagePattern {
  /** the whole text when nothing varies, else null */
  exact: string | null
  /** constant text at the start and at the end; both are the whole text when nothing varies */
  prefix: string
  suffix: string
  /** the anchor of the last one is the suffix */
  parts: Part[]
  anchorChars: number
}

const allowedValues = (variable: Variable): ReadonlySet<string> | null =>
  variable.kind === 'slot' && variable.kept && variable.type === 'enum'
    ? new Set(variable.values)
    : null

/** @returns null when two variable parts touch: then a text has no unique division */
export const compileMessage = ({ segments }: TemplateMessage): MessagePattern | null => {
  let prefix = ''
  const parts: Part[] = []
  for (const segment of segments) {
    const last = parts.at(-1)
    if (segment.kind !== 'anchor')
      parts.push({ variable: segment, anchor: '', allowed: allowedValues(segment) })
    else if (last) last.anchor += segment.text
    else prefix += segment.text
  }
  if (parts.slice(0, -1).some(({ anchor }) => anchor === '')) return null
  return {
    exact: parts.length === 0 ? prefix : null,
    prefix,
    suffix: parts.at(-1)?.anchor ?? prefix,
    parts,
    anchorChars: parts.reduce((sum, { anchor }) => sum + anchor.length, prefix.length),
  }
}

export interface Taken {
  slots: Record<string, string>
  examples: Record<string, string>
  query: string
}

const accepts = ({ variable, allowed }: Part, value: string): boolean => {
  if (variable.kind === 'query') return value !== ''
  // what is removed must be known: `template/known.ts`, once all anchors are found
  if (variable.kind === 'examples' || !variable.kept) return true
  if (value.length > variable.maxChars) return false
  if (!variable.multiline && value.includes('\n')) return false
  return allowed?.has(value) ?? true
}

const store = (variable: Variable, value: string, taken: Taken): void => {
  if (variable.kind === 'query') taken.query = value
  else if (variable.kind === 'slot') taken.slots[variable.name] = value
  else taken.examples[variable.name] = value
}

/** Start of the anchor's only occurrence between `from` and `end`; −1 for none or several. */
const onlyOccurrence = (text: string, anchor: string, from: number, end: number): number => {
  const at = text.indexOf(anchor, from)
  if (at + anchor.length > end) return -1
  const second = text.indexOf(anchor, at + 1)
  return second >= 0 && second + anchor.length <= end ? -1 : at
}

/** Fills `taken` from the text. @returns false, with `taken` partly filled, when the text differs */
export const matchText = (pattern: MessagePattern, text: string, taken: Taken): boolean => {
  if (pattern.exact !== null) return text === pattern.exact
  const { prefix, suffix, parts } = pattern
  if (text.length < pattern.anchorChars) return false
  // slice and compare is a memory comparison; startsWith compares character by character
  const end = text.length - suffix.length
  if (text.slice(0, prefix.length) !== prefix || text.slice(end) !== suffix) return false
  let from = prefix.length
  for (const part of parts) {
    const to = part === parts.at(-1) ? end : onlyOccurrence(text, part.anchor, from, end)
    if (to < 0) return false
    const value = text.slice(from, to)
    if (!accepts(part, value)) return false
    store(part.variable, value, taken)
    from = to + part.anchor.length
  }
  return true
}
