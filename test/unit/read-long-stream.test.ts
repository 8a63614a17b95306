/** A stream of megabytes is read in slices, so that others go on meanwhile. */
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { CHAT } from '../../src/openai/dialect.ts'
import { readAnswer } from '../../src/openai/read-answer.ts'

const event = (content: string): string =>
  `data: ${JSON.stringify({ id: 'a', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`

const streamOf = (events: number): Buffer =>
  Buffer.from(
    `${Array.from({ length: events }, (_, i) => event(`é${i} `)).join('')}data: [DONE]\n\n`
  )

const readWithPauses = async (body: Buffer, contentEncoding: string) => {
  let pauses = 0
  const pause = async (): Promise<void> => void pauses++
  const form = { contentType: 'text/event-stream', contentEncoding, complete: true }
  const answer = await readAnswer(body, form, { dialect: CHAT, maxBytes: 2 ** 24, pause })
  return { answer, pauses }
}

describe('a long stream', () => {
  const long = streamOf(10_000)

  it.each([
    ['as it came', long, ''],
    ['decoded', gzipSync(long), 'gzip'],
  ])('is read with pauses, and is the same: %s', async (_, body, encoding) => {
    const form = { contentType: 'text/event-stream', contentEncoding: '', complete: true }
    const atOnce = await readAnswer(long, form, { dialect: CHAT, maxBytes: 2 ** 24 })
    const { answer, pauses } = await readWithPauses(body, encoding)
    expect(answer).toEqual(atOnce)
    expect(String(answer.response)).toContain('é9999 ')
    expect(pauses).toBe(Math.ceil(long.length / 2 ** 16))
  })

  it('has no pauses where it is short', async () => {
    expect((await readWithPauses(streamOf(5), '')).pauses).toBe(0)
  })
})
