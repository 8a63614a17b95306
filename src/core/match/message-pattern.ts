/**
 * One message of a template, compiled: takes a message's text apart, or refuses. Exact: every anchor
 * letter by letter, and an anchor between two variable parts only where it occurs once.
 */
import type { Segment, TemplateMessage } from '../template/template.ts'

type Variable = Exclude<Segment, { kind: 'anchor' }>

interface Part {
  variable: Variable
  /** constant text behind the variable part, '' when it is the message's last */
  anchor: string
}

export interface MessagePattern {
  role: string
  /** the whole text when nothing varies, else null */
  exact: string | null
  prefix: string
  suffix: string
  /** variable parts; the last one's anchor is the suffix and is not repeated here */
  parts: Part[]
  minChars: number
  anchorChars: number
  /** allowed values of kept enum slots, by slot name */
  enums: Map<string, Set<string>>
}

/** Null when two variable parts touch: no text could be taken apart. */
export const compileMessage = ({ role, segments }: TemplateMessage): MessagePattern | null => {
  let prefix = ''
  const parts: Part[] = []
  let touches = false
  for (const segment of segments) {
    const last = parts.at(-1)
    if (segment.kind !== 'anchor') {
      touches ||= last !== undefined && last.anchor === ''
      parts.push({ variable: segment, anchor: '' })
    } else if (last) last.anchor += segment.text
    else prefix += segment.text
  }
  if (touches) return null
  const suffix = parts.at(-1)?.anchor ?? ''
  const inner = parts.slice(0, -1).reduce((sum, part) => sum + part.anchor.length, 0)
  const anchorChars = prefix.length + suffix.length + inner
  const enums = new Map<string, Set<string>>()
  for (const { variable } of parts) {
    if (variable.kind === 'slot' && variable.kept && variable.type === 'enum') {
      enums.set(variable.name, new Set(variable.values))
    }
  }
  const exact = parts.length === 0 ? prefix : null
  return { role, exact, prefix, suffix, parts, minChars: anchorChars, anchorChars, enums }
}

export interface Taken {
  slots: Record<string, string>
  examples: Record<string, string>
  query: string
}

const accepts = (pattern: MessagePattern, variable: Variable, value: string): boolean => {
  if (variable.kind === 'query') return value !== ''
  if (variable.kind === 'examples') return true
  if (value.length > variable.maxChars) return false
  if (!variable.multiline && value.includes('\n')) return false
  return pattern.enums.get(variable.name)?.has(value) ?? true
}

const store = (variable: Variable, value: string, taken: Taken): void => {
  if (variable.kind === 'query') taken.query = value
  else if (variable.kind === 'slot') taken.slots[variable.name] = value
  else taken.examples[variable.name] = value
}

/** Start of the anchor's only occurrence between `from` and `end`; −1 for none or several. */
const onlyOccurrence = (text: string, anchor: string, from: number, end: number): number => {
  const at = text.indexOf(anchor, from)
  if (at < 0 || at + anchor.length > end) return -1
  const second = text.indexOf(anchor, at + 1)
  return second >= 0 && second + anchor.length <= end ? -1 : at
}

/** Fills `taken` from the text; false, with `taken` half filled, when the text is another one. */
export const matchText = (pattern: MessagePattern, text: string, taken: Taken): boolean => {
  if (pattern.exact !== null) return text === pattern.exact
  const { prefix, suffix, parts } = pattern
  if (text.length < pattern.minChars) return false
  // slice and compare is a memory comparison; startsWith compares character by character
  if (text.slice(0, prefix.length) !== prefix) return false
  if (suffix !== '' && text.slice(-suffix.length) !== suffix) return false
  const end = text.length - suffix.length
  let from = prefix.length
  for (let index = 0; index < parts.length; index++) {
    const { variable, anchor } = parts[index]!
    const isLast = index === parts.length - 1
    const to = isLast ? end : onlyOccurrence(text, anchor, from, end)
    if (to < from) return false
    const value = text.slice(from, to)
    if (!accepts(pattern, variable, value)) return false
    store(variable, value, taken)
    from = to + anchor.length
  }
  return true
}
