/**
 * The records of one write ↔ the bytes of a log segment: everything but the bodies as one deflated
 * JSON text, then the bodies that are differences to others (`body-codec.ts`). Knows nothing of the
 * database.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { packHead, unpackHead, type PackedHead, type RecordHead } from '../../core/log/record.ts'
import type { Usage } from '../../openai/chat.ts'
import type { Difference } from './body-codec.ts'

/** A body as a log segment has it. */
export interface StoredBody {
  /** id of the body that is stored whole: this one, or the one that it is a difference to */
  whole: number
  /** null: the body is stored whole */
  difference: Difference | null
}

export interface SegmentRecord {
  head: RecordHead
  usage: Usage | null
  /** null when it was pruned */
  request: StoredBody | null
  /** null when it was pruned, or when there was none */
  response: StoredBody | null
}

/** Records by place; null for a deleted one. */
export type LogSegment = (SegmentRecord | null)[]

/** A log segment with the id of its row. */
export interface SegmentRow {
  id: number
  segment: LogSegment
}

/** @returns 0 to 2 */
export const bodyCount = ({ request, response }: SegmentRecord): number =>
  Number(request !== null) + Number(response !== null)

/** places in a log segment: a sequence is segment × PLACES + place, and stays a safe integer */
const PLACES = 1024
/** a log segment is read as a whole, so it is kept small */
export const MAX_SEGMENT_RECORDS = 512
/** the heads of a log segment resemble each other so much that a higher level saves little */
const LEVEL = 1

export const sequenceOf = (segment: number, place: number): number => segment * PLACES + place
/** of the last place */
export const lastSequenceOf = (segment: number): number => sequenceOf(segment, PLACES - 1)
export const segmentOf = (sequence: number): number => Math.floor(sequence / PLACES)
export const placeOf = (sequence: number): number => sequence % PLACES

/** id of the whole body; for a difference also prefix bytes, suffix bytes and length of its data */
type PackedBody = [number] | [number, number, number, number]

type PackedRecord = [
  head: PackedHead,
  usage: Usage | null,
  request: PackedBody | null,
  response: PackedBody | null,
]

const packBody = (body: StoredBody | null, payload: Buffer[]): PackedBody | null => {
  if (body === null) return null
  if (body.difference === null) return [body.whole]
  const { prefixBytes, suffixBytes, data } = body.difference
  payload.push(data)
  return [body.whole, prefixBytes, suffixBytes, data.length]
}

const packRecord = (
  { head, usage, request, response }: SegmentRecord,
  payload: Buffer[]
): PackedRecord => [packHead(head), usage, packBody(request, payload), packBody(response, payload)]

/** A log segment as bytes. */
export interface EncodedSegment {
  /** deflated JSON: everything but the differences */
  heads: Buffer
  /** the data of the differences, in the order of `packRecord` */
  differences: Buffer
}

export const encodeParts = (segment: LogSegment): EncodedSegment => {
  const payload: Buffer[] = []
  const packed = segment.map((record) => record && packRecord(record, payload))
  const heads = deflateRawSync(JSON.stringify(packed), { level: LEVEL })
  return { heads, differences: Buffer.concat(payload) }
}

/** In one piece: the length of the heads, the heads, the differences. */
export const encodeLogSegment = (segment: LogSegment): Buffer => {
  const { heads, differences } = encodeParts(segment)
  const headBytes = Buffer.allocUnsafe(4)
  headBytes.writeUInt32LE(heads.length)
  return Buffer.concat([headBytes, heads, differences])
}

/** Takes the data of the differences from the payload in the order of `packRecord`. */
const bodyReader = (payload: Buffer): ((packed: PackedBody | null) => StoredBody | null) => {
  let at = 0
  return (packed) => {
    if (packed === null) return null
    if (packed.length === 1) return { whole: packed[0], difference: null }
    const [whole, prefixBytes, suffixBytes, bytes] = packed
    const data = payload.subarray(at, at + bytes)
    at += bytes
    return { whole, difference: { prefixBytes, suffixBytes, data } }
  }
}

/** @param differences null: the log segment has lost its bodies, or they are not wanted */
export const decodeParts = (heads: Buffer, differences: Buffer | null): LogSegment => {
  const readBody = differences === null ? () => null : bodyReader(differences)
  return (JSON.parse(inflateRawSync(heads).toString('utf8')) as (PackedRecord | null)[]).map(
    (packed) =>
      packed && {
        head: unpackHead(packed[0]),
        usage: packed[1],
        request: readBody(packed[2]),
        response: readBody(packed[3]),
      }
  )
}

export const decodeLogSegment = (bytes: Buffer): LogSegment => {
  const headEnd = 4 + bytes.readUInt32LE(0)
  return decodeParts(bytes.subarray(4, headEnd), bytes.subarray(headEnd))
}
