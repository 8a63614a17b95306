/** Finds the selected records of log segments. Knows nothing of the database. */
import type { CompiledSelection } from '../../core/log/selection.ts'
import { textOf, wholeIdsOf, type Wholes } from './body-forms.ts'
import { inChunks } from './chunks.ts'
import { RECORDS_AT_ONCE } from './reading/body-reader.ts'
import { bodyCount, sequenceOf, type SegmentRecord, type SegmentRow } from './segment-codec.ts'

/** A log segment with selected records. */
export type Selected<Row extends SegmentRow> = Row & {
  selected: { place: number; record: SegmentRecord }[]
}

/** @param readWholes reads whole bodies by id */
export const selectedIn = async <Row extends SegmentRow>(
  rows: Row[],
  { fitsHead, readsBody, fitsBody }: CompiledSelection,
  readWholes: (row: Row, ids: number[]) => Promise<Wholes>
): Promise<Selected<Row>[]> => {
  const found: Selected<Row>[] = []
  for (const row of rows) {
    const candidates = row.segment.flatMap((record, place) =>
      record !== null && fitsHead(record.head) ? { place, record } : []
    )
    const selected: typeof candidates = []
    for (const some of inChunks(candidates, RECORDS_AT_ONCE)) {
      const requests = some.map(({ record }) => record.request)
      const wholes = readsBody ? await readWholes(row, wholeIdsOf(requests)) : new Map()
      selected.push(...some.filter(({ record }) => fitsBody(textOf(record.request, wholes))))
    }
    if (selected.length > 0) found.push({ ...row, selected })
  }
  return found
}

export const sequencesOf = ({ id, selected }: Selected<SegmentRow>): number[] =>
  selected.map(({ place }) => sequenceOf(id, place))

export const idsOf = ({ selected }: Selected<SegmentRow>): string[] =>
  selected.map(({ record }) => record.head.id)

/** The log segment without its selected records. */
export const withoutSelected = <Row extends SegmentRow>({
  id,
  segment,
  selected,
}: Selected<Row>): SegmentRow => {
  const gone = new Set(selected.map(({ place }) => place))
  return { id, segment: segment.map((record, place) => (gone.has(place) ? null : record)) }
}

/** How many records are selected, and their bodies. */
export const countSelected = (
  found: Selected<SegmentRow>[]
): { records: number; bodies: number } => {
  const sum = { records: 0, bodies: 0 }
  for (const { selected } of found) {
    sum.records += selected.length
    for (const { record } of selected) sum.bodies += bodyCount(record)
  }
  return sum
}
