/** Answers of a hostile upstream: the processor time that a small one may cost. */
import { gzipSync } from 'node:zlib'
import { afterEach, expect, it } from 'vitest'
import { CHAT, RESPONSES } from '../../src/openai/dialect.ts'
import { UsageFilter } from '../../src/openai/usage/hide-usage.ts'
import { readAnswer } from '../../src/openai/read-answer.ts'
import { cpuMs, cpuMsOf } from '../kit/linear.ts'
import { chatBody, LIMITS } from '../kit/proxy/harness.ts'
import { keyFor, secretFor, startKeyed, type Keyed } from '../kit/proxy/keyed.ts'

const CAPTURE_BYTES = 4 * 2 ** 20
/** Each event of an answer that made an error with a stack: 7 to 15 s. */
const MOST_MS = 3000

const STREAM = { contentType: 'text/event-stream', contentEncoding: 'gzip', complete: true }

let keyed: Keyed | undefined
afterEach(() => keyed?.harness.close())

const many = (event: string): string => event.repeat(Math.floor(CAPTURE_BYTES / event.length))
const packed = (event: string): Buffer => gzipSync(many(event))

const HOSTILE = [
  ['no JSON', 'data:x\n\n'],
  ['no data', 'data\n\n'],
  ['broken JSON', 'data:{\n\n'],
  ['empty objects', 'data:{}\n\n'],
  ['broken responses', 'data:{"type":"error"\n\n'],
] as const

it.each(
  HOSTILE.flatMap(([name, event]) =>
    [CHAT, RESPONSES].map((dialect) => [name, dialect.name, event, dialect] as const)
  )
)(
  'events that are %s are read in a moment (%s)',
  async (_name, _dialect, event, dialect) => {
    const body = packed(event)
    expect(body.length).toBeLessThan(25_000)
    const begun = cpuMs()
    const read = await readAnswer(body, STREAM, { dialect, maxBytes: CAPTURE_BYTES })
    expect(cpuMs() - begun).toBeLessThan(MOST_MS)
    expect(read).toEqual({ response: null, usage: null })
  },
  60_000
)

it.each(['open', 'tokens'])(
  'events that are no JSON do not stop the event loop when the key %s settles',
  async (key) => {
    keyed = await startKeyed([keyFor('open'), keyFor('tokens', { tokensPerMinute: 1_000_000 })], {
      limits: { ...LIMITS, captureMaxBytes: CAPTURE_BYTES },
    })
    keyed.harness.upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' })
      response.end(packed('data:x\n\n'))
    }
    const begun = cpuMs()
    await keyed.harness.send(chatBody('hi', { stream: true, max_completion_tokens: 5 }), {
      headers: { authorization: `Bearer ${secretFor(key)}` },
    })
    // the answer is settled after its last byte
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(cpuMs() - begun).toBeLessThan(MOST_MS)
  },
  60_000
)

it('a stream with a hundred broken events is no longer searched for a usage chunk', () => {
  const filter = new UsageFilter()
  const stream = Buffer.from(many('data:{"usage"\n\n'))
  const ms = cpuMsOf(() => expect(filter.push(stream).equals(stream)).toBe(true))
  expect(ms).toBeLessThan(MOST_MS / 3)
})

const delta = (content: string): string =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`

it.each([
  ['ninety-nine broken events is read', 'data: {\n\n', 99, '"content":"ab"'],
  ['a hundred broken events is not read', 'data: {\n\n', 100, null],
  ['any number of events that are no object is read', 'data: ping\n\n', 1000, '"content":"ab"'],
  ['250,001 events is not read', 'data: 1\n\n', 250_000, null],
])('an answer with %s', async (_name, event, times, expected) => {
  const body = Buffer.from(`${delta('a')}${event.repeat(times)}${delta('b')}`)
  const { response } = await readAnswer(
    body,
    { ...STREAM, contentEncoding: '' },
    { dialect: CHAT, maxBytes: CAPTURE_BYTES }
  )
  if (expected === null) expect(response).toBeNull()
  else expect(response?.toString()).toContain(expected)
})
