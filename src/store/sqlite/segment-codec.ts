/**
 * Records of one write ↔ the bytes of a segment: everything but the bodies as one deflated JSON
 * text, then the bodies as differences to whole texts (`body-codec.ts`). Knows nothing of the
 * database.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { ExchangeRecord, RouteOutcome } from '../../core/record.ts'
import type { Usage } from '../../openai/chat.ts'
import type { EncodedBody } from './body-codec.ts'

/** A text as a reference to a whole one, and the difference when it is not that one. */
export interface StoredText {
  body: number
  difference: EncodedBody | null
}

type RecordHead = Omit<ExchangeRecord, 'request' | 'response'>

export interface SegmentRecord {
  head: RecordHead
  /** null once pruned */
  request: StoredText | null
  response: StoredText | null
}

/** places in a segment; a sequence is segment × this + place, and stays a safe integer */
const PLACES = 1024
/** a segment is read as a whole, so it is kept small */
export const MAX_SEGMENT_RECORDS = 128
/** the heads of a segment's records are so much alike that more than the least saves little */
const LEVEL = 1

export const sequenceOf = (segment: number, place: number): number => segment * PLACES + place
export const segmentOf = (sequence: number): number => Math.floor(sequence / PLACES)
export const placeOf = (sequence: number): number => sequence % PLACES

/** body, and for a difference: prefix bytes, suffix bytes, length of the data */
type PackedText = [number] | [number, number, number, number]

/** As a list of values: names would be half of its text. */
type PackedRecord = [
  id: string,
  at: number,
  tenant: string,
  model: string,
  path: string,
  streamed: boolean,
  status: number,
  firstByteMs: number | null,
  durationMs: number,
  usage: Usage | null,
  route: RouteOutcome | null,
  request: PackedText | null,
  response: PackedText | null,
]

const packText = (text: StoredText | null, payload: Buffer[]): PackedText | null => {
  if (text === null) return null
  if (text.difference === null) return [text.body]
  const { prefixBytes, suffixBytes, data } = text.difference
  payload.push(data)
  return [text.body, prefixBytes, suffixBytes, data.length]
}

const packRecord = (
  { head, request, response }: SegmentRecord,
  payload: Buffer[]
): PackedRecord => [
  head.id,
  head.at,
  head.tenant,
  head.model,
  head.path,
  head.streamed,
  head.status,
  head.firstByteMs,
  head.durationMs,
  head.usage,
  head.route,
  packText(request, payload),
  packText(response, payload),
]

const unpackHead = (packed: PackedRecord): RecordHead => ({
  id: packed[0],
  at: packed[1],
  tenant: packed[2],
  model: packed[3],
  path: packed[4],
  streamed: packed[5],
  status: packed[6],
  firstByteMs: packed[7],
  durationMs: packed[8],
  usage: packed[9],
  route: packed[10],
})

/** @param records by place; null for one that was pruned */
export const encodeSegment = (records: (SegmentRecord | null)[]): Buffer => {
  const payload: Buffer[] = []
  const packed = records.map((record) => record && packRecord(record, payload))
  const head = deflateRawSync(JSON.stringify(packed), { level: LEVEL })
  const headBytes = Buffer.allocUnsafe(4)
  headBytes.writeUInt32LE(head.length)
  return Buffer.concat([headBytes, head, ...payload])
}

/** Takes the differences' data from the payload in the order in which they were put there. */
const textReader = (payload: Buffer): ((text: PackedText | null) => StoredText | null) => {
  let at = 0
  return (text) => {
    if (text === null) return null
    if (text.length === 1) return { body: text[0], difference: null }
    const [body, prefixBytes, suffixBytes, bytes] = text
    const data = payload.subarray(at, at + bytes)
    at += bytes
    return { body, difference: { prefixBytes, suffixBytes, data } }
  }
}

export const decodeSegment = (segment: Buffer): (SegmentRecord | null)[] => {
  const headEnd = 4 + segment.readUInt32LE(0)
  const head = inflateRawSync(segment.subarray(4, headEnd)).toString('utf8')
  const readText = textReader(segment.subarray(headEnd))
  return (JSON.parse(head) as (PackedRecord | null)[]).map(
    (packed) =>
      packed && {
        head: unpackHead(packed),
        request: readText(packed[11]),
        response: readText(packed[12]),
      }
  )
}
