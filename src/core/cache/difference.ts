/** Where requests differ first, for a person: the place, and the text around it. */
import type { LaidRequest, Layout } from './layout.ts'
import type { Mend } from './simulate.ts'

export interface Difference {
  /** number of the message and of its line, from 1; null for tools */
  message: { number: number; role: string; line: number } | null
  /** of the log, like all that follows: constant text of the line before the difference */
  lead: string
  value: string
  /** of the line, behind it */
  tail: string
}

const MOST_BEFORE = 40
const MOST_VALUE = 60
const MOST_TOOLS = 6

const oneLine = (text: string): string => text.replace(/\s+/gu, ' ')

const shortened = (text: string, most: number): string => {
  const line = oneLine(text.trimEnd())
  return line.length <= most ? line : `${line.slice(0, most - 1)}…`
}

const textDifference = ({ pieces }: LaidRequest, at: number): Difference => {
  const before = pieces.slice(0, at)
  const start = before.findLastIndex(({ part }) => part === 'role' || part === 'after')
  const roles = before.filter(({ part }) => part === 'role')
  const lines = before.slice(start + 1).filter(({ endsLine }) => endsLine)
  const [left, right] = [pieces[at - 1], pieces[at + 1]]
  const lead = left === undefined || left.endsLine ? '' : oneLine(left.head).slice(-MOST_BEFORE)
  const value = shortened(pieces[at]!.head, MOST_VALUE)
  const isLast = pieces[at]!.endsLine || right === undefined || right.part === 'role'
  return {
    message: { number: roles.length, role: roles.at(-1)?.name ?? '', line: lines.length + 1 },
    lead,
    value,
    tail: isLast ? '' : shortened(right.head, MOST_BEFORE),
  }
}

const toolsText = ({ request }: LaidRequest): string => {
  const names = request.pieces.flatMap(({ part, name }) => (part === 'tool' ? name || '?' : []))
  const more = names.length - MOST_TOOLS
  return [...names.slice(0, MOST_TOOLS), ...(more > 0 ? [`${more} more`] : [])].join(', ') || 'none'
}

const toolsDifference = (rows: readonly LaidRequest[]): Difference | null => {
  const first = rows[0]
  const other = rows.find(({ tools }) => tools.ids.join() !== first?.tools.ids.join())
  return first === undefined || other === undefined
    ? null
    : { message: null, lead: '', value: `${toolsText(first)} / ${toolsText(other)}`, tail: '' }
}

/** @param members indices of the rows of a template @returns null for what is not in the text */
export const differenceOf = (
  mend: Mend,
  { rows, causes }: Layout,
  members: readonly number[]
): Difference | null => {
  if (mend === 'tools-order' || mend === 'tools-change') return toolsDifference(rows)
  if (mend === 'gap' || mend === 'several-models') return null
  const cause = causes.indexOf(mend)
  for (const member of members) {
    const row = rows[member]!
    const at = row.marks.indexOf(cause)
    if (at >= 0 && at < row.lastConstant) return textDifference(row, at)
  }
  return null
}
