/** Compares every record of the two logs: its head, its columns, and both bodies byte by byte. */
import { isDeepStrictEqual } from 'node:util'
import { inChunks } from '../log/chunks.ts'
import { sequenceOf, type SegmentRecord } from '../log/segment-codec.ts'
import type { Connection, Database } from '../postgres/base/database.ts'
import { readWholes } from '../postgres/log/bodies.ts'
import { readSegments } from '../postgres/log/segments.ts'
import { BodyReader, RECORDS_AT_ONCE, type Bodies } from './body-reader.ts'
import {
  readBodies,
  readLogPage,
  type LookUp,
  type PlacedRecord,
  type SourceSegment,
} from './log-pages.ts'
import type { Compared } from './rows.ts'
import type { MoveSource } from './source.ts'

interface TargetPage {
  /** by sequence */
  records: Map<number, SegmentRecord>
  lookUps: Map<number, LookUp>
  days: number[]
}

const readLookUps = async (
  { $client }: Database,
  days: number[],
  sequences: number[]
): Promise<Map<number, LookUp>> => {
  const { rows } = await $client.query<LookUp>(
    `select sequence, id, at, answered, template_version as "templateVersion"
      from promptintern.records where day = any($1::int[]) and sequence = any($2::bigint[])`,
    [days, sequences]
  )
  return new Map(rows.map((row) => [row.sequence, row]))
}

const readTarget = (
  { readTogether }: Connection,
  segments: SourceSegment[]
): Promise<TargetPage> => {
  const placed = segments.flatMap((segment) => segment.records)
  const days = [...new Set(placed.map(({ day }) => day))]
  return readTogether(async (db) => {
    const rows = await readSegments(
      db,
      days,
      segments.map(({ id }) => id)
    )
    const sequences = placed.map(({ lookUp }) => lookUp.sequence)
    return {
      days,
      lookUps: await readLookUps(db, days, sequences),
      records: new Map(
        rows.flatMap(({ id, segment }) =>
          segment.flatMap((record, place): [number, SegmentRecord][] =>
            record === null ? [] : [[sequenceOf(id, place), record]]
          )
        )
      ),
    }
  })
}

const isSame = (one: Buffer | null, other: Buffer | null): boolean =>
  one === null || other === null ? one === other : one.equals(other)

const sameBodies = (one: Bodies, other: Bodies): boolean =>
  isSame(one.request, other.request) && isSame(one.response, other.response)

/** All but the bodies. */
const sameColumns = (one: PlacedRecord, { records, lookUps }: TargetPage): boolean => {
  const { sequence } = one.lookUp
  const other = records.get(sequence)
  return (
    other !== undefined &&
    isDeepStrictEqual(other.head, one.head) &&
    isDeepStrictEqual(other.usage, one.usage) &&
    isDeepStrictEqual(lookUps.get(sequence), one.lookUp)
  )
}

class LogComparison {
  private readonly source: MoveSource
  private readonly target: Connection
  private readonly ofSource = new BodyReader()
  private readonly ofTarget = new BodyReader()

  constructor(source: MoveSource, target: Connection) {
    this.source = source
    this.target = target
  }

  /** @returns how many records are the same, and how many the target has at all */
  async compare(segments: SourceSegment[]): Promise<{ equal: number; found: number }> {
    const page = await readTarget(this.target, segments)
    const placed = segments.flatMap(({ records }) => records)
    const candidates = placed.filter((record) => sameColumns(record, page))
    let equal = 0
    for (const chunk of inChunks(candidates, RECORDS_AT_ONCE))
      equal += await this.equalBodies(chunk, page)
    return { equal, found: page.lookUps.size }
  }

  private async equalBodies(chunk: PlacedRecord[], { records, days }: TargetPage): Promise<number> {
    const bodies = await readBodies(this.source, this.ofSource, chunk)
    const others = chunk.map(({ lookUp }) => records.get(lookUp.sequence)!)
    const otherBodies = await this.target.read((db) =>
      this.ofTarget.read(others, (ids) => readWholes(db, days, ids))
    )
    return bodies.filter((each, index) => sameBodies(each, otherBodies[index]!)).length
  }
}

/** @param onRecords is told how many were compared */
export const compareLog = async (
  source: MoveSource,
  target: Connection,
  onRecords: (count: number) => void
): Promise<Compared> => {
  const comparison = new LogComparison(source, target)
  const sum = { equal: 0, found: 0 }
  for (let after = 0; ;) {
    const segments = await readLogPage(source, after)
    if (segments.length === 0) break
    const { equal, found } = await comparison.compare(segments)
    sum.equal += equal
    sum.found += found
    after = segments.at(-1)!.id
    onRecords(segments.reduce((count, { records }) => count + records.length, 0))
  }
  const compared = source.counts.get('records') ?? 0
  const all = await target.read(async ({ $client }) => {
    const { rows } = await $client.query<{ count: number }>(
      'select count(*) from promptintern.records'
    )
    return rows[0]!.count
  })
  return { compared, different: compared - sum.equal, added: all - sum.found }
}
