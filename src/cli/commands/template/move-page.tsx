/** The report on a move to another model as one HTML page, to be sent to a colleague. Pure. */
import { Table } from '../../../admin/page/parts/table.tsx'
import { Line } from '../../../admin/page/parts/text.tsx'
import { visibleName } from '../../../visible-text.ts'
import { staticPage } from '../../scan/static-page.tsx'
import {
  agreementLine,
  differenceRows,
  leftLine,
  modelRows,
  remarksOf,
  totalLine,
  type MovesView,
  type MoveView,
} from './move-text.ts'

const Paragraph = ({ text }: { text: string }) =>
  text === '' ? null : (
    <p>
      <Line text={text} chars={Infinity} />
    </p>
  )

const RowsTable = ({ caption, rows }: { caption: string; rows: string[][] }) => {
  const [header = [], ...others] = rows
  return (
    <Table
      caption={caption}
      columns={header}
      rows={others.map((cells) => cells.map((cell) => <Line text={cell} chars={Infinity} />))}
    />
  )
}

const Move = ({ view }: { view: MoveView }) => {
  const differences = differenceRows(view)
  return (
    <section>
      <h2>
        <Line text={view.title} chars={Infinity} />
      </h2>
      <Paragraph text={agreementLine(view)} />
      <RowsTable caption="Both models" rows={modelRows(view)} />
      {differences !== null && <RowsTable caption="Differences" rows={differences} />}
      {remarksOf(view).map((text) => (
        <Paragraph text={text} />
      ))}
    </section>
  )
}

/** @returns a whole HTML document */
export const movePage = (view: MovesView): string =>
  staticPage({
    title: 'A move to another model',
    lead: `${visibleName(view.from)} → ${visibleName(view.to)}`,
    children: (
      <>
        <Paragraph text={totalLine(view)} />
        {view.templates.map((each) => (
          <Move view={each} />
        ))}
        <Paragraph text={leftLine(view)} />
      </>
    ),
  })
