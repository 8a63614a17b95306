/**
 * Fuzz tests of the request parser, the stream reader and the whole proxy. Add every input that broke one
 * of them to the corpus.
 */
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compileMatcher, outlineOf } from '../../src/core/match/match.ts'
import { createRedactor, DETECTOR_NAMES } from '../../src/core/log/redact.ts'
import { CompletionAccumulator } from '../../src/openai/accumulate.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'
import { seededRandom } from '../../src/random.ts'
import { chatBody, send, startHarness, type Harness } from '../kit/proxy/harness.ts'
import { mutations, readCorpus } from './mutate.ts'

const SEED = 20261126
const REQUESTS = readCorpus(join(import.meta.dirname, 'corpus', 'requests'))
const STREAMS = readCorpus(join(import.meta.dirname, 'corpus', 'streams'))

/** The bytes after the empty line. */
const bodyOf = (request: Buffer): Buffer => request.subarray(request.indexOf('\r\n\r\n') + 4)

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const take = function* <T>(values: Iterable<T>, count: number): Generator<T> {
  let left = count
  for (const value of values) {
    if (left-- === 0) return
    yield value
  }
}

describe('a request`s body', () => {
  const matcher = compileMatcher([])

  it('has an outline that agrees with JSON.parse, or none', () => {
    let outlined = 0
    for (const bytes of take(mutations(REQUESTS.map(bodyOf), SEED), 60_000)) {
      const outline = outlineOf(bytes)
      if (outline === null) continue
      expect(matcher.mayMatch(bytes, outline)).toBe(false)
      const request = parsed(bytes.toString('utf8')) as Partial<ChatRequest> | undefined
      if (request === undefined) continue
      outlined++
      expect(outline.streamed).toBe(request.stream === true)
      expect(outline.model).toBe(request.model ?? '')
    }
    expect(outlined).toBeGreaterThan(500)
  })

  it('stays JSON when it is redacted', () => {
    const redact = createRedactor({ detectors: DETECTOR_NAMES, patterns: {} })
    for (const bytes of take(mutations(REQUESTS.map(bodyOf), SEED + 1), 20_000)) {
      const text = bytes.toString('utf8')
      expect(parsed(redact()(text)) === undefined).toBe(parsed(text) === undefined)
    }
  })
})

describe('a stream', () => {
  it('gives the same completion wherever it is cut, and never throws', () => {
    const random = seededRandom(SEED)
    let completions = 0
    for (const bytes of take(mutations(STREAMS, SEED), 20_000)) {
      const [whole, cut] = [new CompletionAccumulator(), new CompletionAccumulator()]
      whole.push(bytes)
      for (let at = 0; at < bytes.length;) {
        const end = at + 1 + Math.floor(random() * 40)
        cut.push(bytes.subarray(at, end))
        at = end
      }
      expect(cut.answer()).toEqual(whole.answer())
      if (whole.answer() !== null) completions++
    }
    expect(completions).toBeGreaterThan(1000)
  })

  it('cannot change what objects are made of', () => {
    const accumulator = new CompletionAccumulator()
    const chunk =
      '{"id":"1","choices":[{"index":0,"delta":{"__proto__":{"polluted":1},"content":"a"}}]}'
    accumulator.push(Buffer.from(`data: ${chunk}\n\n`))
    accumulator.answer()
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })
})

/** All bytes that arrive until the other side closes. */
const exchange = (port: number, bytes: Buffer): Promise<string> =>
  new Promise((resolve) => {
    const chunks: Buffer[] = []
    const socket = connect(port, '127.0.0.1')
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', () => {})
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
    socket.end(bytes)
  })

describe('the proxy', () => {
  let harness: Harness
  beforeAll(async () => {
    harness = await startHarness()
  })
  afterAll(() => harness.close())

  it('answers in HTTP or closes, and still serves other clients', async () => {
    for (const bytes of take(mutations(REQUESTS, SEED), 1000)) {
      const text = await exchange(harness.port, bytes)
      expect(text === '' || /^HTTP\/1\.1 [1-5]\d\d /.test(text)).toBe(true)
    }
    for (const { headers } of harness.upstream.requests)
      expect(headers.host).toBe(new URL(harness.upstream.url).host)
    expect((await send(harness.port, chatBody('hi'))).status).toBe(200)
  })

  it('passes every stream on unchanged', async () => {
    for (const stream of take(mutations(STREAMS, SEED), 500)) {
      harness.upstream.respond = (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.end(stream)
      }
      const { body } = await send(harness.port, chatBody('hi', { stream: true }))
      expect(body.equals(stream)).toBe(true)
    }
    expect((await harness.records()).length).toBeGreaterThanOrEqual(500)
  })
})
