/**
 * Records of one write ↔ the bytes of a segment: everything but the bodies as one deflated JSON
 * text, then the bodies as differences to whole texts (`body-codec.ts`). Knows nothing of the
 * database.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { ExchangeRecord } from '../../core/record.ts'
import type { EncodedBody } from './body-codec.ts'

/** A text as a reference to a whole one, and the difference when it is not that one. */
export interface StoredText {
  body: number
  difference: EncodedBody | null
}

export type SegmentRecord = Omit<ExchangeRecord, 'request' | 'response'> & {
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

type PackedRecord = Omit<SegmentRecord, 'request' | 'response'> & {
  request: PackedText | null
  response: PackedText | null
}

/** @param records by place; null for one that was pruned */
export const encodeSegment = (records: (SegmentRecord | null)[]): Buffer => {
  const payload: Buffer[] = []
  const pack = (text: StoredText | null): PackedText | null => {
    if (text === null) return null
    if (text.difference === null) return [text.body]
    const { prefixBytes, suffixBytes, data } = text.difference
    payload.push(data)
    return [text.body, prefixBytes, suffixBytes, data.length]
  }
  const packed = records.map(
    (record) =>
      record && { ...record, request: pack(record.request), response: pack(record.response) }
  )
  const head = deflateRawSync(JSON.stringify(packed), { level: LEVEL })
  const headBytes = Buffer.allocUnsafe(4)
  headBytes.writeUInt32LE(head.length)
  return Buffer.concat([headBytes, head, ...payload])
}

export const decodeSegment = (segment: Buffer): (SegmentRecord | null)[] => {
  const headEnd = 4 + segment.readUInt32LE(0)
  const packed = JSON.parse(
    inflateRawSync(segment.subarray(4, headEnd)).toString('utf8')
  ) as (PackedRecord | null)[]
  let at = headEnd
  const unpack = (text: PackedText | null): StoredText | null => {
    if (text === null) return null
    if (text.length === 1) return { body: text[0], difference: null }
    const [body, prefixBytes, suffixBytes, bytes] = text
    const data = segment.subarray(at, at + bytes)
    at += bytes
    return { body, difference: { prefixBytes, suffixBytes, data } }
  }
  return packed.map(
    (record) =>
      record && { ...record, request: unpack(record.request), response: unpack(record.response) }
  )
}
