/** Streams read from one server of the proxy benchmark: when their first byte and each chunk came. */
import { Pool } from 'undici'
import type { Target } from '../load/processes.ts'
import { CHAT_PATH, SERIAL } from '../load/traffic.ts'

export interface StreamLoadOptions {
  target: Target
  body: string
  /** streams at the same time */
  concurrency: number
  /** no stream begins later */
  seconds: number
  chunks: number
  everyMs: number
}

export interface StreamLoad {
  streams: number
  chunks: number
  /** from the request's first byte to the answer's, milliseconds */
  firstByteMs: number[]
  /** from the upstream's writing to the client's reading, milliseconds */
  chunkDelayMs: number[]
}

const NANOSECONDS = 1e6

/** Reads the upstream's times out of a stream, wherever its pieces are cut. */
const createChunkReader = (result: StreamLoad) => {
  let rest = ''
  return (piece: Buffer): void => {
    const now = process.hrtime.bigint()
    const text = rest + piece.toString('latin1')
    let end = 0
    for (const match of text.matchAll(/"at":"(\d+)"/g)) {
      result.chunkDelayMs.push(Number(now - BigInt(match[1]!)) / NANOSECONDS)
      result.chunks++
      end = match.index + match[0].length
    }
    rest = text.slice(end)
  }
}

const readStream = async (
  pool: Pool,
  { target, chunks, everyMs }: StreamLoadOptions,
  body: string,
  result: StreamLoad
): Promise<void> => {
  const sentAt = performance.now()
  const answer = await pool.request({
    path: CHAT_PATH,
    method: 'POST',
    headers: { ...target.headers, 'x-bench-answer': `chunks=${chunks}&everyMs=${everyMs}` },
    body,
  })
  if (answer.statusCode !== 200) throw new Error(`a stream was answered ${answer.statusCode}`)
  const read = createChunkReader(result)
  let isFirst = true
  await new Promise<void>((resolve, reject) => {
    answer.body.on('data', (piece: Buffer) => {
      if (isFirst) result.firstByteMs.push(performance.now() - sentAt)
      isFirst = false
      read(piece)
    })
    answer.body.on('end', resolve)
    answer.body.on('error', reject)
  })
  result.streams++
}

export const loadStreams = async (options: StreamLoadOptions): Promise<StreamLoad> => {
  const { target, body, concurrency, seconds } = options
  const pool = new Pool(`http://127.0.0.1:${target.port}`, { connections: concurrency })
  const result: StreamLoad = { streams: 0, chunks: 0, firstByteMs: [], chunkDelayMs: [] }
  const end = performance.now() + seconds * 1000
  let serial = 0
  const streamUntilEnd = async (): Promise<void> => {
    while (performance.now() < end) {
      const digits = String(++serial).padStart(SERIAL.length, '0')
      await readStream(pool, options, body.replace(SERIAL, digits), result)
    }
  }
  try {
    await Promise.all(Array.from({ length: concurrency }, streamUntilEnd))
  } finally {
    await pool.destroy()
  }
  return result
}
