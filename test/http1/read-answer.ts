/** What the parser makes of bytes that come in pieces. */
import { Http1Error } from '../../src/http1/http1-error.ts'
import { ResponseParser } from '../../src/http1/response-parser.ts'

export interface ReadAnswer {
  status: number
  statusText: string
  headers: string[]
}

export interface Reading {
  interims: ReadAnswer[]
  /** null when no answer began */
  head: ReadAnswer | null
  body: string
  trailers: string[]
  isComplete: boolean
  isReusable: boolean
  keepAliveMs: number | null
  /** the code of the error that it ended with */
  error: string | null
  /** what it says */
  refusal: string | null
}

export const MAX_HEAD_BYTES = 16 * 1024

/** Feeds one answer, and says that the connection has ended unless it is over before. */
export const readAnswer = (pieces: readonly Buffer[]): Reading => {
  const parser = new ResponseParser(MAX_HEAD_BYTES)
  const reading: Reading = {
    interims: [],
    head: null,
    body: '',
    trailers: [],
    isComplete: false,
    isReusable: false,
    keepAliveMs: null,
    error: null,
    refusal: null,
  }
  const take = (): void => {
    for (;;) {
      const event = parser.next()
      if (event === 'more') return
      const { status = 0, statusText = '', headers = [], framing } = parser.head ?? {}
      if (event === 'interim') reading.interims.push({ status, statusText, headers })
      else if (event === 'head') {
        reading.head = { status, statusText, headers }
        reading.keepAliveMs = framing?.keepAliveMs ?? null
      } else if (event === 'data') reading.body += parser.data.toString('latin1')
      else {
        reading.isComplete = true
        return
      }
    }
  }
  try {
    for (const piece of pieces) {
      parser.push(piece)
      if (!reading.isComplete) take()
    }
    if (!reading.isComplete) {
      parser.finish()
      reading.isComplete = true
    }
  } catch (error) {
    if (!(error instanceof Http1Error)) throw error
    reading.refusal = error.message.replace('the answer is no HTTP/1.1: ', '')
    reading.error = error.code
  }
  reading.trailers = parser.trailers
  reading.isReusable = reading.isComplete && parser.isReusable
  return reading
}

/** Two pieces, for every place where there can be a cut. */
export const cutAnywhere = (bytes: Buffer): Buffer[][] =>
  Array.from(bytes, (_, at) => [bytes.subarray(0, at), bytes.subarray(at)])

export const inBytes = (bytes: Buffer): Buffer[] => Array.from(bytes, (byte) => Buffer.of(byte))
