import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  chatBody,
  LIMITS,
  startHarness,
  type Harness,
  type Responder,
} from '../kit/proxy/harness.ts'

const EVENT = 'data: {"choices":[]}'
const COMMENT = ': keep-alive\n\n'

let harness: Harness

beforeEach(async () => {
  harness = await startHarness({ limits: { ...LIMITS, keepAliveMs: 40 } })
})
afterEach(() => harness.close())

/** Sends the parts with a silence between them. */
const withSilence =
  (parts: (string | Buffer)[], headers: Record<string, string | number>): Responder =>
  async (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', ...headers })
    for (const [index, part] of parts.entries()) {
      if (index > 0) await delay(400)
      response.write(part)
    }
    response.end()
  }

const answerTo = async (
  parts: (string | Buffer)[],
  headers: Record<string, string | number> = {}
): Promise<Buffer> => {
  harness.upstream.respond = withSilence(parts, headers)
  return (await harness.send(chatBody('hi', { stream: true }))).body
}

describe('a silent stream', () => {
  it.each([['\n\n'], ['\r\n\r\n'], ['\r\r']])(
    'gets comments between events, ended by %j',
    async (end) => {
      const [first, last] = [`${EVENT}${end}`, `data: [DONE]${end}`]
      const text = (await answerTo([first, last])).toString()
      expect(text).toContain(first + COMMENT)
      expect(text.replaceAll(COMMENT, '')).toBe(first + last)
    }
  )

  it('sees the end of an event that came in pieces', async () => {
    const text = (await answerTo([`${EVENT}\n`, '\n', 'data: [DONE]\n\n'])).toString()
    expect(text).toContain(`${EVENT}\n\n${COMMENT}`)
    expect(text).not.toContain(`${EVENT}\n${COMMENT}`)
  })

  it('gets none inside of an event', async () => {
    const parts = [EVENT.slice(0, 10), `${EVENT.slice(10)}\n\ndata: [DONE]\n\n`]
    expect((await answerTo(parts)).toString()).toBe(parts.join(''))
  })

  it('gets no comments where it is encoded, has a length, or is not a stream of events', async () => {
    const packed = gzipSync(`${EVENT}\n\n`)
    expect(await answerTo([packed, packed], { 'content-encoding': 'gzip' })).toEqual(
      Buffer.concat([packed, packed])
    )
    expect((await answerTo(['a\n\n', 'b\n\n'], { 'content-length': 6 })).toString()).toBe(
      'a\n\nb\n\n'
    )
    expect(
      (await answerTo(['{}\n\n', '\n\n'], { 'content-type': 'application/json' })).toString()
    ).toBe('{}\n\n\n\n')
  })

  it('is logged without them', async () => {
    await answerTo([
      `data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n`,
      'data: [DONE]\n\n',
    ])
    expect((await harness.records())[0]?.response).toContain('"content":"a"')
  })
})
