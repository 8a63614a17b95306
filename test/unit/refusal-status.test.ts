/** What an upstream's refusal says of the credentials, and how much of it is read. */
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { CHAT } from '../../src/openai/dialect.ts'
import { Capture } from '../../src/proxy/upstream/capture.ts'
import { MAX_ERROR_BYTES, refusalStatus } from '../../src/proxy/upstream/refusal.ts'

const NO_MONEY = JSON.stringify({ error: { message: 'no', code: 'insufficient_quota' } })

const captureOf = (body: Buffer, contentType: string, contentEncoding = ''): Capture => {
  const capture = new Capture(2 ** 24, () => 0)
  capture.begin(429, { contentType, contentEncoding } as never)
  capture.add(body)
  return capture
}

describe('a refusal of 429', () => {
  it.each([
    ['JSON', Buffer.from(NO_MONEY), 'application/json', ''],
    ['events', Buffer.from(`data: ${NO_MONEY}\n\n`), 'text/event-stream', ''],
    ['compressed JSON', gzipSync(NO_MONEY), 'application/json', 'gzip'],
  ])('says in %s that there is no money', async (_, body, type, encoding) => {
    expect(await refusalStatus(captureOf(body, type, encoding), CHAT)).toBe(402)
  })

  it.each([
    ['as it came', Buffer.from(`data: {}\n\n`.repeat(300_000)), ''],
    ['decoded', gzipSync(`data: {}\n\n`.repeat(300_000)), 'gzip'],
  ])('is not read where it is longer than an error is, %s', async (_, events, encoding) => {
    const body =
      encoding === '' ? Buffer.concat([events, Buffer.from(`data: ${NO_MONEY}\n\n`)]) : events
    expect(MAX_ERROR_BYTES).toBeLessThan(2 ** 20)
    expect(await refusalStatus(captureOf(body, 'text/event-stream', encoding), CHAT)).toBe(429)
  })
})
