/** Our parser of answers and undici's on bytes that nobody meant to send. */
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { Client, type Dispatcher } from 'undici'
import { describe, expect, it } from 'vitest'
import { undiciHandler } from '../../src/proxy/undici-handler.ts'
import { seededRandom } from '../../src/random.ts'
import { readAnswer, type Reading } from '../http1/read-answer.ts'
import { Recorder } from '../http1/recorder.ts'
import { mutations, readCorpus } from './mutate.ts'

const SEED = 20261127
const RESPONSES = readCorpus(join(import.meta.dirname, 'corpus', 'responses'))

const take = function* <T>(values: Iterable<T>, count: number): Generator<T> {
  let left = count
  for (const value of values) {
    if (left-- === 0) return
    yield value
  }
}

/** A connection whose other side answers the first bytes that it gets, and ends. */
const answering = (bytes: Buffer): Duplex => {
  let isAnswered = false
  const socket = new Duplex({
    read: () => {},
    write: (_chunk, _encoding, done) => {
      if (!isAnswered)
        setImmediate(() => {
          socket.push(bytes)
          socket.push(null)
        })
      isAnswered = true
      done()
    },
  })
  return socket
}

const readByUndici = async (bytes: Buffer): Promise<Recorder> => {
  const client = new Client('http://upstream.test', {
    connect: (_options, callback) =>
      queueMicrotask(() => callback(null, answering(bytes) as never)),
  })
  const recorder = new Recorder()
  const request: Dispatcher.DispatchOptions = { path: '/', method: 'POST', body: Buffer.from('{}') }
  client.dispatch(request, undiciHandler(recorder))
  await recorder.over
  await client.destroy()
  return recorder
}

/** undici leaves the blanks behind values where they are. */
const trimmed = (headers: string[]): string[] =>
  headers.map((text) => text.replaceAll(/^[ \t]+|[ \t]+$/g, ''))

/** What a client of either would be told. undici reads the reason, which means nothing, as UTF-8. */
const told = ({ interims, head, body, trailers }: Reading) => ({
  interims: interims.map(({ status, headers }) => [status, headers]),
  status: head?.status,
  headers: head?.headers,
  body,
  trailers,
})

const toldByUndici = ({ interims, status, headers, body, trailers }: Recorder) => ({
  interims: interims.map(([interim, list]) => [interim, trimmed(list)]),
  status,
  headers: trimmed(headers),
  body,
  trailers: trimmed(trailers),
})

const EMPTY_ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
const CHUNKED_HEAD = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'

interface Stricter {
  /** what our parser says */
  refusal: string
  why: string
  /** answers that undici takes all the same */
  examples: string[]
}

const STRICTER: Stricter[] = [
  {
    refusal: 'its first line is no status line',
    why: 'undici takes them in the reason, and they would go to the client',
    examples: [EMPTY_ANSWER.replace('OK', '\u0001')],
  },
  {
    refusal: 'its first line is no status line',
    why: 'undici takes other versions and protocols (RFC 9112 \u00a74)',
    examples: [EMPTY_ANSWER.replace('1.1', '2.0'), EMPTY_ANSWER.replace('1.1', '0.9')],
  },
  {
    refusal: 'its transfer coding is empty',
    why: 'it leaves open where the body ends (RFC 9112 \u00a76.1)',
    examples: ['HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n'],
  },
  {
    refusal: 'a chunk has no size',
    why: 'undici takes an extension that lacks its value (RFC 9112 \u00a77.1.1)',
    examples: [`${CHUNKED_HEAD}1;a=\r\nb\r\n0\r\n\r\n`],
  },
  {
    refusal: 'it says how long it is behind its body',
    why: 'it would be handed on (RFC 9110 \u00a76.5.1)',
    examples: [`${CHUNKED_HEAD}0\r\nTransfer-Encoding: x\r\n\r\n`],
  },
  {
    refusal: 'a part of it has more than 16384 bytes',
    why: 'undici counts names and values alone',
    examples: [EMPTY_ANSWER.replace('\r\n\r\n', `\r\nX-A: ${'a'.repeat(16_350)}\r\n\r\n`)],
  },
]

interface Laxer {
  /** what undici says */
  refusal: string
  why: string
  /** whether an answer is one of these */
  is: (ours: Reading) => boolean
  examples: string[]
}

const LAXER: Laxer[] = [
  {
    refusal: 'Response body length does not match content-length header',
    why: 'they have no body, whatever their length says (RFC 9112 \u00a76.3)',
    is: ({ head }) => head?.status === 204 || head?.status === 304,
    examples: ['HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'],
  },
  {
    refusal: 'bad response',
    why: 'it may come unasked (RFC 9110 \u00a715.2)',
    is: ({ interims }) => interims.some(({ status }) => status === 100),
    examples: [`HTTP/1.1 100 Continue\r\n\r\n${EMPTY_ANSWER}`],
  },
]

const mayDiffer = (ours: Reading, { error }: Recorder): boolean =>
  error === null
    ? STRICTER.some(({ refusal }) => refusal === ours.refusal)
    : LAXER.some(({ refusal, is }) => refusal === error.message && is(ours))

const inPieces = (bytes: Buffer, random: () => number): Buffer[] => {
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + Math.floor(random() * 40)
    pieces.push(bytes.subarray(at, end))
    at = end
  }
  return pieces
}

const examplesOf = <T extends { why: string; examples: string[] }>(list: T[]) =>
  list.flatMap((difference) =>
    difference.examples.map((text) => ({ ...difference, bytes: Buffer.from(text, 'latin1') }))
  )

describe('an answer', () => {
  it('is read as undici reads it, or refused for a reason', async () => {
    let read = 0
    for (const bytes of take(mutations(RESPONSES, SEED), 10_000)) {
      const ours = readAnswer([bytes])
      const theirs = await readByUndici(bytes)
      const isRefused = [ours, theirs].map(({ error }) => error !== null)
      if (isRefused[0] !== isRefused[1])
        expect(mayDiffer(ours, theirs), bytes.toString('latin1')).toBe(true)
      if (isRefused.includes(true)) continue
      expect(told(ours)).toEqual(toldByUndici(theirs))
      read++
    }
    expect(read).toBeGreaterThan(1000)
  })

  it.each(examplesOf(STRICTER))('is refused although undici takes it: $why', async (example) => {
    const { bytes, refusal } = example
    expect(await readByUndici(bytes)).toMatchObject({ error: null })
    expect(readAnswer([bytes]).refusal).toBe(refusal)
  })

  it.each(examplesOf(LAXER))('is taken although undici refuses it: $why', async (example) => {
    const { bytes, refusal, is } = example
    expect((await readByUndici(bytes)).error?.message).toBe(refusal)
    const ours = readAnswer([bytes])
    expect(ours).toMatchObject({ isComplete: true, error: null })
    expect(is(ours)).toBe(true)
  })

  it('is read the same wherever it is cut', () => {
    const random = seededRandom(SEED)
    let read = 0
    for (const bytes of take(mutations(RESPONSES, SEED + 1), 60_000)) {
      // bytes behind an answer may come after its end, and an error be seen with more or less before it
      const whole = readAnswer([bytes])
      const cut = readAnswer(inPieces(bytes, random))
      expect(cut.error).toBe(whole.error)
      if (whole.error !== null) continue
      expect(told(cut)).toEqual(told(whole))
      expect(cut.isReusable || !whole.isReusable).toBe(true)
      read++
    }
    expect(read).toBeGreaterThan(5000)
  })
})
