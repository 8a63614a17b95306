import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { batchCaptured } from '../../src/core/log/exchange-batch.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import { exampleRecord } from '../fixtures/examples.ts'

const EMAIL = 'ann@example.com'
const CARD = '4111 1111 1111 1111'

const STREAM = [
  `data: {"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":"Mail ann@exa"}}]}`,
  `data: {"id":"c1","choices":[{"index":0,"delta":{"content":"mple.com, not the card ${CARD}."},"finish_reason":"stop"}]}`,
  'data: [DONE]',
  '',
].join('\n\n')

describe('a store that redacts', () => {
  let dataDir: string

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'store-'))
  })
  afterEach(() => rmSync(dataDir, { recursive: true }))

  it('writes neither request nor answer as they were, streamed in pieces or not', async () => {
    const store = await openSqliteStore({
      dataDir,
      redact: { detectors: ['email', 'card'], patterns: { STAFF: String.raw`\bE\d{6}\b` } },
    })
    const { request: _, response: __, usage: ___, ...example } = exampleRecord(1)
    const head = { ...example, path: '/v1/chat/completions?user=ann%40example.com' }
    const request = JSON.stringify({
      model: 'm',
      messages: [{ role: 'user', content: `I am E123456, ${EMAIL}. Charge ${CARD}.` }],
    })
    await store.records.append(
      batchCaptured([
        {
          head,
          form: {
            kind: 'raw',
            contentType: 'text/event-stream',
            contentEncoding: '',
            complete: true,
          },
          request: Buffer.from(request),
          answer: [Buffer.from(STREAM)],
        },
      ])
    )
    const [record] = await store.records.list({ limit: 1 })
    expect(record!.path).toBe('/v1/chat/completions?user=[EMAIL_1]')
    expect(JSON.parse(record!.request)).toEqual({
      model: 'm',
      messages: [{ role: 'user', content: 'I am [STAFF_1], [EMAIL_1]. Charge [CARD_1].' }],
    })
    expect(JSON.parse(record!.response!)).toMatchObject({
      choices: [{ message: { content: 'Mail [EMAIL_1], not the card [CARD_1].' } }],
    })
    // while it is open: the write-ahead log is there, and no file goes away
    for (const file of readdirSync(dataDir)) {
      const bytes = readFileSync(join(dataDir, file), 'latin1')
      for (const secret of [EMAIL, CARD, 'E123456']) expect(bytes).not.toContain(secret)
    }
    await store.close()
  })
})
