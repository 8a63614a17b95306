/** Where requests differ first, for a person: the place, and the text around it. */
import { firstMoved, toolIds, type LaidRequest, type Layout } from './layout.ts'
import type { Piece } from './piece.ts'
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

const textDifference = ({ texts }: LaidRequest, at: number, piece: Piece): Difference => {
  const before = texts.slice(0, at).map((laid) => laid.piece)
  const start = before.findLastIndex(({ part }) => part === 'role' || part === 'after')
  const roles = before.filter(({ part }) => part === 'role')
  const lines = before.slice(start + 1).filter(({ endsLine }) => endsLine)
  const [left, right] = [before.at(-1), texts[at + 1]?.piece]
  const lead = left === undefined || left.endsLine ? '' : oneLine(left.head).slice(-MOST_BEFORE)
  const value = shortened(piece.head, MOST_VALUE)
  const isLast = piece.endsLine || right === undefined || right.part === 'role'
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
  if (first === undefined) return null
  const other = rows.find((row) => toolIds(row).join() !== toolIds(first).join())
  return other === undefined
    ? null
    : { message: null, lead: '', value: `${toolsText(first)} / ${toolsText(other)}`, tail: '' }
}

/** @param members rows of a template @returns null for what is not in the text */
export const differenceOf = (
  mend: Mend,
  { rows, causes }: Layout,
  members: readonly LaidRequest[]
): Difference | null => {
  if (mend === 'tools-order' || mend === 'tools-change') return toolsDifference(rows)
  if (mend === 'gap' || mend === 'several-models') return null
  const cause = causes.indexOf(mend)
  for (const row of members) {
    const at = firstMoved(row, cause)
    const moved = row.texts[at]
    if (moved !== undefined) return textDifference(row, at, moved.piece)
  }
  return null
}
