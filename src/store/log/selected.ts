/** Finds the selected records of log segments. Knows nothing of the database. */
import type { CompiledSelection } from '../../core/log/selection.ts'
import { textOf, wholeIdsOf, type Wholes } from './body-forms.ts'
import { inChunks } from './chunks.ts'
import { RECORDS_AT_ONCE } from './reading/body-reader.ts'
import { bodyCount, sequenceOf, type SegmentRow } from './segment-codec.ts'

/** A log segment with selected records. */
export type Selected<Row extends SegmentRow> = Row & {
  /** of the selected records */
  places: number[]
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
      record !== null && fitsHead(record.head) ? { place, request: record.request } : []
    )
    const places: number[] = []
    for (const some of inChunks(candidates, RECORDS_AT_ONCE)) {
      const requests = some.map(({ request }) => request)
      const wholes = readsBody ? await readWholes(row, wholeIdsOf(requests)) : new Map()
      const fitting = some.filter(({ request }) => fitsBody(textOf(request, wholes)))
      places.push(...fitting.map(({ place }) => place))
    }
    if (places.length > 0) found.push({ ...row, places })
  }
  return found
}

export const sequencesOf = ({ id, places }: Selected<SegmentRow>): number[] =>
  places.map((place) => sequenceOf(id, place))

export const idsOf = ({ segment, places }: Selected<SegmentRow>): string[] =>
  places.map((place) => segment[place]!.head.id)

/** The log segment without its selected records. */
export const withoutSelected = <Row extends SegmentRow>({
  places,
  ...row
}: Selected<Row>): SegmentRow => {
  const gone = new Set(places)
  return {
    id: row.id,
    segment: row.segment.map((record, place) => (gone.has(place) ? null : record)),
  }
}

/** How many records are selected, and their bodies. */
export const countSelected = (
  found: Selected<SegmentRow>[]
): { records: number; bodies: number } => {
  const sum = { records: 0, bodies: 0 }
  for (const { segment, places } of found) {
    sum.records += places.length
    for (const place of places) sum.bodies += bodyCount(segment[place]!)
  }
  return sum
}
