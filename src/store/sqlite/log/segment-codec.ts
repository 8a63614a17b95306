/**
 * Records of one write ↔ the bytes of a segment: everything but the bodies as one deflated JSON
 * text, then the bodies as differences to whole texts (`body-codec.ts`). Knows nothing of the
 * database.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { packHead, unpackHead, type PackedHead, type RecordHead } from '../../../core/log/record.ts'
import type { Usage } from '../../../openai/chat.ts'
import type { EncodedBody } from './body-codec.ts'

/** A text as a reference to a whole one, and the difference when it is not that one. */
export interface StoredText {
  body: number
  difference: EncodedBody | null
}

export interface SegmentRecord {
  head: RecordHead
  usage: Usage | null
  /** null once pruned */
  request: StoredText | null
  response: StoredText | null
}

/** places in a segment; a sequence is segment × this + place, and stays a safe integer */
const PLACES = 1024
/** a segment is read as a whole, so it is kept small */
export const MAX_SEGMENT_RECORDS = 512
/** the heads of a segment's records are so much alike that more than the least saves little */
const LEVEL = 1

export const sequenceOf = (segment: number, place: number): number => segment * PLACES + place
export const segmentOf = (sequence: number): number => Math.floor(sequence / PLACES)
export const placeOf = (sequence: number): number => sequence % PLACES

/** body, and for a difference: prefix bytes, suffix bytes, length of the data */
type PackedText = [number] | [number, number, number, number]

type PackedRecord = [
  head: PackedHead,
  usage: Usage | null,
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
  { head, usage, request, response }: SegmentRecord,
  payload: Buffer[]
): PackedRecord => [packHead(head), usage, packText(request, payload), packText(response, payload)]

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
  const heads = inflateRawSync(segment.subarray(4, headEnd)).toString('utf8')
  const readText = textReader(segment.subarray(headEnd))
  return (JSON.parse(heads) as (PackedRecord | null)[]).map(
    (packed) =>
      packed && {
        head: unpackHead(packed[0]),
        usage: packed[1],
        request: readText(packed[2]),
        response: readText(packed[3]),
      }
  )
}
