/**
 * Records on their way to the store's thread: their bodies as bytes in one buffer that changes
 * hands, so that no text is copied more than once, and everything else as one JSON text, which is
 * cheaper than a structured clone of as many objects.
 */
import type { ExchangeRecord } from '../../core/record.ts'

/** A record with its bodies in UTF-8. */
export type RecordBytes = Omit<ExchangeRecord, 'request' | 'response'> & {
  request: Buffer
  response: Buffer | null
}

export interface PackedRecords {
  /** JSON of the records in order, with the length in bytes in place of each body */
  rows: string
  /** the bodies, each request before its response */
  bodies: ArrayBuffer
}

type PackedRow = Omit<ExchangeRecord, 'request' | 'response'> & {
  request: number
  response: number | null
}

export const packRecords = (records: ExchangeRecord[]): PackedRecords => {
  const rows: PackedRow[] = records.map((record) => ({
    ...record,
    request: Buffer.byteLength(record.request),
    response: record.response === null ? null : Buffer.byteLength(record.response),
  }))
  const bodies = new ArrayBuffer(
    rows.reduce((sum, { request, response }) => sum + request + (response ?? 0), 0)
  )
  const bytes = Buffer.from(bodies)
  let at = 0
  for (const { request, response } of records) {
    at += bytes.write(request, at)
    if (response !== null) at += bytes.write(response, at)
  }
  return { rows: JSON.stringify(rows), bodies }
}

/** The bodies are views: whoever keeps one longer than its batch copies it. */
export const unpackRecords = ({ rows, bodies }: PackedRecords): RecordBytes[] => {
  let at = 0
  const take = (bytes: number): Buffer => {
    const body = Buffer.from(bodies, at, bytes)
    at += bytes
    return body
  }
  return (JSON.parse(rows) as PackedRow[]).map(({ request, response, ...row }) => ({
    ...row,
    request: take(request),
    response: response === null ? null : take(response),
  }))
}
