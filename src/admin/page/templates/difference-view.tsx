/** Two versions of a prompt side by side. Pure. */
import { diffLines, diffWordsWithSpace, type Change } from 'diff'
import { shortId } from '../../../core/template/name.ts'
import type { Template } from '../../../core/template/template.ts'
import { templatePath } from '../address.ts'
import { Notice } from '../parts/figures.tsx'
import { counted, whole } from '../../../core/figure-text.ts'
import { Table } from '../parts/table.tsx'
import { Line, Text } from '../parts/text.tsx'
import { promptAsText } from './prompt.tsx'

/** of each side; the rest is not compared */
export const MAX_COMPARED_CHARS = 100_000
/** of all rows together */
const MAX_SHOWN_CHARS = 40_000
/** lines, or words of changed lines: texts that are further apart count as wholly different */
const MAX_EDITS = 1_000
/** equal text around a change */
const CONTEXT_LINES = 3
const CONTEXT_CHARS = 200

interface Piece {
  kind: 'same' | 'changed' | 'left-out'
  text: string
}

/** What stands side by side. No piece on a side: the other side has this text alone. */
export interface DifferenceRow {
  left: Piece[]
  right: Piece[]
}

interface Difference {
  rows: DifferenceRow[]
  /** rows that would be too much to show */
  rest: number
  /** a side is longer than what is compared */
  isCut: boolean
  isEqual: boolean
}

const leftOut = (number: number, what: string): Piece => ({
  kind: 'left-out',
  text: `… ${whole(number)} equal ${what} …`,
})

const same = (text: string): Piece => ({ kind: 'same', text })

const equalRow = (text: string): DifferenceRow => {
  const lines = text.split(/(?<=\n)/)
  const hidden = lines.length - 2 * CONTEXT_LINES
  const pieces =
    hidden < 2
      ? [same(text)]
      : [
          same(lines.slice(0, CONTEXT_LINES).join('')),
          leftOut(hidden, 'lines'),
          same(lines.slice(-CONTEXT_LINES).join('')),
        ]
  const shown = pieces.flatMap((piece) => (piece.kind === 'same' ? shortened(piece.text) : piece))
  return { left: shown, right: shown }
}

const shortened = (text: string): Piece[] => {
  const hidden = text.length - 2 * CONTEXT_CHARS
  return hidden < CONTEXT_CHARS
    ? [same(text)]
    : [
        same(text.slice(0, CONTEXT_CHARS)),
        leftOut(hidden, 'characters'),
        same(text.slice(-CONTEXT_CHARS)),
      ]
}

const piecesOf = (changes: Change[], isOther: (change: Change) => boolean): Piece[] =>
  changes
    .filter((change) => !isOther(change))
    .flatMap(({ added, removed, value }) =>
      added || removed ? [{ kind: 'changed' as const, text: value }] : shortened(value)
    )

const changed = (text: string): Piece[] => (text === '' ? [] : [{ kind: 'changed', text }])

const changedRow = (left: string, right: string): DifferenceRow => {
  const words =
    left === '' || right === ''
      ? undefined
      : diffWordsWithSpace(left, right, { maxEditLength: MAX_EDITS })
  if (words === undefined) return { left: changed(left), right: changed(right) }
  return {
    left: piecesOf(words, ({ added }) => added),
    right: piecesOf(words, ({ removed }) => removed),
  }
}

/** A removal and the addition behind it are one row. */
const rowsOf = (changes: Change[]): DifferenceRow[] =>
  changes.flatMap(({ removed, added, value }, at) => {
    if (!removed && !added) return [equalRow(value)]
    const [before, next] = [changes[at - 1], changes[at + 1]]
    if (removed) return [changedRow(value, next?.added ? next.value : '')]
    return before?.removed ? [] : [changedRow('', value)]
  })

const charsOf = ({ left, right }: DifferenceRow): number =>
  [...left, ...right].reduce((sum, { text }) => sum + text.length, 0)

/** Rows from the beginning; at least the first one. */
const shownRows = (rows: DifferenceRow[]): DifferenceRow[] => {
  let chars = 0
  const end = rows.findIndex((row) => (chars += charsOf(row)) > MAX_SHOWN_CHARS)
  return end === -1 ? rows : rows.slice(0, Math.max(1, end))
}

export const differenceOf = (left: string, right: string): Difference => {
  const [one, other] = [left.slice(0, MAX_COMPARED_CHARS), right.slice(0, MAX_COMPARED_CHARS)]
  const changes = diffLines(one, other, { maxEditLength: MAX_EDITS })
  const rows = changes === undefined ? [changedRow(one, other)] : rowsOf(changes)
  const shown = shownRows(rows)
  return {
    rows: shown,
    rest: rows.length - shown.length,
    isCut: one.length < left.length || other.length < right.length,
    isEqual: left === right,
  }
}

/** of a changed piece */
const MAX_PIECE_CHARS = 4_000

const PieceText = ({ piece, side }: { piece: Piece; side: 'left' | 'right' }) => {
  const text = <Text text={piece.text} chars={MAX_PIECE_CHARS} />
  if (piece.kind === 'left-out') return <span class="cut">{piece.text}</span>
  if (piece.kind === 'same') return text
  return side === 'left' ? <del>{text}</del> : <ins>{text}</ins>
}

const side = (pieces: Piece[], name: 'left' | 'right') =>
  pieces.length === 0 ? (
    <span class="cut">(nothing)</span>
  ) : (
    pieces.map((piece) => <PieceText piece={piece} side={name} />)
  )

/** What is no text of the prompt. */
const otherDifferences = (one: Template, other: Template): string[] => [
  ...(one.model === other.model ? [] : ['the model']),
  ...(one.tenant === other.tenant ? [] : ['the tenant']),
  ...(one.tools === other.tools ? [] : ['the tools']),
  ...(one.responseFormat === other.responseFormat ? [] : ['the response format']),
  ...(one.maxTurnsAfter === other.maxTurnsAfter ? [] : ['the turns that may follow']),
]

const Version = ({ template }: { template: Template }) => (
  <>
    <a href={templatePath(template.version)}>{shortId(template.version)}</a>{' '}
    <Line text={template.model} chars={40} />
  </>
)

export const DifferenceView = ({ one, other }: { one: Template; other: Template }) => {
  const { rows, rest, isCut, isEqual } = differenceOf(promptAsText(one), promptAsText(other))
  const others = otherDifferences(one, other)
  return (
    <>
      {isCut && (
        <Notice tone="waits">
          Only the first {whole(MAX_COMPARED_CHARS)} characters of each prompt are compared.
        </Notice>
      )}
      {others.length > 0 && <p>They also differ in {others.join(', ')}.</p>}
      {isEqual && <p>The text is the same.</p>}
      <Table
        caption="Removed text is struck through on the left, added text is underlined on the right"
        columns={[{ name: <Version template={one} /> }, { name: <Version template={other} /> }]}
        rows={rows.map(({ left, right }) => [side(left, 'left'), side(right, 'right')])}
        empty="Neither has text."
        isEven
      />
      {rest > 0 && <p>{counted(rest, 'further row')}: not shown.</p>}
    </>
  )
}
