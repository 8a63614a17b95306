/** Compares every record of the two logs: its head, its columns, and both bodies byte by byte. */
import { isDeepStrictEqual } from 'node:util'
import { inChunks } from '../log/chunks.ts'
import { sequenceOf, type SegmentRecord } from '../log/segment-codec.ts'
import type { Connection, Database } from '../postgres/base/database.ts'
import { readWholes } from '../postgres/log/bodies.ts'
import { inGroups, readDays } from '../postgres/log/days.ts'
import { readSegments } from '../postgres/log/segments.ts'
import { BodyReader, RECORDS_AT_ONCE, type Bodies } from '../log/reading/body-reader.ts'
import {
  daysIn,
  readBodies,
  readLog,
  recordsIn,
  type LookUp,
  type Piece,
  type PlacedRecord,
} from './log-pages.ts'
import type { Compared } from './rows.ts'
import type { MoveSource } from './source.ts'
import { oneRow } from '../common/rows.ts'
import { valueIn, zip } from '../../core/lists.ts'

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
    `select sequence, id, at, answered, template_version as "templateVersion",
        tenant_number as "tenantNumber", outcome, status_class as "statusClass", opening
      from promptintern.records where day = any($1::int[]) and sequence = any($2::bigint[])`,
    [days, sequences]
  )
  return new Map(rows.map((row) => [row.sequence, row]))
}

const readTarget = (
  { readTogether }: Connection,
  pieces: readonly Piece[]
): Promise<TargetPage> => {
  const placed = recordsIn(pieces)
  const days = daysIn(pieces)
  const ids = [...new Set(pieces.map(({ id }) => id))]
  return readTogether(async (db) => {
    const rows = await readSegments(db, days, ids)
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
  async compare(pieces: readonly Piece[]): Promise<{ equal: number; found: number }> {
    const page = await readTarget(this.target, pieces)
    const candidates = recordsIn(pieces).filter((record) => sameColumns(record, page))
    let equal = 0
    for (const chunk of inChunks(candidates, RECORDS_AT_ONCE))
      equal += await this.equalBodies(chunk, page)
    return { equal, found: page.lookUps.size }
  }

  private async equalBodies(chunk: PlacedRecord[], { records, days }: TargetPage): Promise<number> {
    const bodies = await readBodies(this.source, this.ofSource, chunk)
    const others = chunk.map(({ lookUp }) => valueIn(records, lookUp.sequence))
    const otherBodies = await this.target.read((db) =>
      this.ofTarget.read(others, (ids) => readWholes(db, days, ids))
    )
    return zip(bodies, otherBodies).filter(([one, other]) => sameBodies(one, other)).length
  }
}

/** Few days at a time: a query of all would take more locks than a server has. */
const countAll = ({ readTogether }: Connection): Promise<number> =>
  readTogether(async (db) => {
    let sum = 0
    for (const days of inGroups(await readDays(db))) {
      const { rows } = await db.$client.query<{ count: number }>(
        'select count(*) from promptintern.records where day = any($1::int[])',
        [days]
      )
      sum += oneRow(rows).count
    }
    return sum
  })

/** @param onRecords is told how many were compared */
export const compareLog = async (
  source: MoveSource,
  target: Connection,
  onRecords: (count: number) => void
): Promise<Compared> => {
  const comparison = new LogComparison(source, target)
  const sum = { equal: 0, found: 0 }
  for await (const pieces of readLog(source, 0)) {
    const { equal, found } = await comparison.compare(pieces)
    sum.equal += equal
    sum.found += found
    onRecords(recordsIn(pieces).length)
  }
  const compared = source.counts.get('records') ?? 0
  return {
    compared,
    different: compared - sum.equal,
    added: (await countAll(target)) - sum.found,
  }
}
