/** A second run of a move goes on where the first one ended, in a log that grows. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { boughtId, followedTemplate } from '../../src/core/template/follow.ts'
import type { Template } from '../../src/core/template/template.ts'
import type { OpenStore } from '../../src/store/store.ts'
import { createFollow } from '../../src/worker/move/follow.ts'
import { measureMove } from '../../src/worker/move/measure.ts'
import { planMove } from '../../src/worker/move/plan.ts'
import { exampleTemplate } from '../kit/records/examples.ts'
import { orderRecord, PROMPT } from '../kit/records/paint-orders.ts'
import { openStore } from '../kit/store/local-store.ts'

const [TO, ROWS] = ['gpt-6-luna', 100]
const PRICE = { model: TO, asOf: '2026-11-20', input: 0.1, cachedInput: 0.01, output: 0.5 }
const USAGE = { prompt_tokens: 1_000, completion_tokens: 2, total_tokens: 1_002 }
const BODY = JSON.stringify({
  choices: [{ index: 0, message: { role: 'assistant', content: 'blue' }, finish_reason: 'stop' }],
  usage: USAGE,
})
const MINUTE_MS = 60_000
const START = 1_700_000_000_000

const { tenant, model } = orderRecord(0)
const TEMPLATE: Template = {
  ...exampleTemplate('paint-orders'),
  tenant,
  model,
  messages: [
    { role: 'system', segments: [{ kind: 'anchor', text: PROMPT }] },
    { role: 'user', segments: [{ kind: 'query' }] },
  ],
}

describe('a move that is run again', () => {
  let dataDir: string
  let store: OpenStore
  let logged: number

  const log = async (more: number): Promise<void> => {
    const records = Array.from({ length: more }, (_, at) => ({
      ...orderRecord(logged + at),
      at: START + (logged + at) * MINUTE_MS,
      usage: USAGE,
    }))
    logged += more
    await store.records.append(batchOf(records))
    const ids = records.map(({ id }) => id)
    await store.records.tagTemplate(ids, TEMPLATE.version)
  }

  const now = (): number => START + logged * MINUTE_MS

  /** As the worker does. */
  const tagBought = async (ids: string[]): Promise<void> => {
    const { version } = followedTemplate(TEMPLATE, TO)
    await store.records.tagTemplate(await store.records.knownIds(ids), version)
  }

  /** @returns how many requests were sent, and how many answers the log has */
  const follow = async (): Promise<{ sent: number; bought: number }> => {
    const plan = await planMove(
      { store, now },
      {
        template: TEMPLATE,
        to: TO,
        price: PRICE,
        oldPrice: null,
        requests: ROWS,
        isFollowed: true,
        kindShare: 0,
        seed: 44,
      }
    )
    let sent = 0
    const ask = async () => {
      sent++
      return { status: 200, body: BODY, retryAfterMs: null }
    }
    const exchanges = plan.sample.map(({ exchange }) => exchange)
    const moved = await measureMove({ store, now, ask, sleep: async () => {} }, plan, {
      to: TO,
      price: PRICE,
      budgetUsd: 1,
      follow: createFollow(store, { template: TEMPLATE, to: TO, exchanges, now }),
      onProgress: () => {},
    })
    await tagBought(exchanges.map(({ id }) => boughtId(id, TO)))
    return { sent, bought: moved!.bought! }
  }

  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'promptintern-move-again-'))
    store = await openStore({ dataDir })
    logged = 0
    await store.templates.upsert([TEMPLATE])
  })

  afterEach(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true, force: true })
  })

  it('buys nothing more, though the log has grown since', async () => {
    await log(2_000)
    expect(await follow()).toEqual({ sent: ROWS, bought: ROWS })
    expect(await follow()).toEqual({ sent: 0, bought: ROWS })
    await log(100)
    expect(await follow()).toEqual({ sent: 0, bought: ROWS })
    await log(1_000)
    expect(await follow()).toEqual({ sent: 0, bought: ROWS })
  })
})
