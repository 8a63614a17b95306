/** Two versions of a prompt side by side. Pure. */
import { shortId } from '../../../core/template/name.ts'
import type { Template } from '../../../core/template/template.ts'
import { templatePath } from '../address.ts'
import { Notice } from '../parts/figures.tsx'
import { counted, whole } from '../parts/format.ts'
import { Table } from '../parts/table.tsx'
import { Line, Text } from '../parts/text.tsx'
import { differenceOf, MAX_COMPARED_CHARS, type Piece } from './difference.ts'
import { promptAsText } from './prompt.tsx'

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
