import { describe, expect } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { loadTraffic } from '../../src/savings/load-traffic.ts'
import type { Store } from '../../src/store/store.ts'
import { addTraffic } from '../kit/store/add-traffic.ts'
import { answerBody } from '../kit/records/completion.ts'
import { exampleOutcome, exampleRecord, exampleTemplate } from '../kit/records/examples.ts'
import { it } from '../kit/store/local-store.ts'

const DAY_MS = 86_400_000
const OPTIONS = { captureShare: 1, heldOutIds: [] as string[] }

const log = (store: Store, ...records: ExchangeRecord[]): Promise<void> =>
  addTraffic(store, records)

const load = (store: Store, changes: Partial<typeof OPTIONS> = {}) =>
  loadTraffic(store, exampleTemplate(), { ...OPTIONS, ...changes })

const answeredWith = (texts: readonly string[]): ExchangeRecord[] =>
  texts.map((content, index) => exampleRecord(index, { response: answerBody(content) }))

const letters = (count: number): string[] =>
  Array.from({ length: count }, (_unused, index) =>
    `Dear customer ${index}, thank you for your letter. `.repeat(8)
  )

describe('traffic from the log', () => {
  it('is null without a record of the template', async ({ store }) => {
    expect(await load(store)).toBeNull()
  })

  it('counts the whole log when the newest calls span a few minutes', async ({ store }) => {
    const busy = Array.from({ length: 599 }, (_, index) =>
      exampleRecord(index + 1, { at: 3 * DAY_MS + index })
    )
    await log(store, exampleRecord(0, { at: 0 }), ...busy)
    const traffic = await load(store)
    expect(traffic!.window).toEqual({ calls: 600, from: 0, to: 3 * DAY_MS + 598 })
    expect(traffic!.callsPerMonth).toBeCloseTo((200 * 365) / 12, 0)
  })

  it('lasts to the end of the log, so traffic that has ended has a lower rate', async ({
    store,
  }) => {
    await log(store, exampleRecord(1, { at: 0 }), exampleRecord(2, { at: DAY_MS }))
    await store.records.append(batchOf([exampleRecord(3, { at: 100 * DAY_MS })]))
    const { window } = (await load(store))!
    expect(window).toEqual({ calls: 2, from: 0, to: 100 * DAY_MS })
  })

  it('takes the tokens of held-out records when a lora answers all calls', async ({ store }) => {
    await log(store, exampleRecord(1))
    await store.records.tagTemplate(['record-1'], 'another')
    await log(store, exampleRecord(2, { route: exampleOutcome() }))
    expect((await load(store))!.upstream).toBeNull()
    expect((await load(store, { heldOutIds: ['record-1'] }))!.upstream).toMatchObject({
      calls: 1,
      promptTokens: 801,
      isEstimated: false,
    })
  })

  it('tells free text by the newest answers', async ({ store }) => {
    await log(store, ...answeredWith(letters(30)))
    expect((await load(store))!.isFreeText).toBe(true)
  })

  it('does not call texts of one form free text', async ({ store }) => {
    // the number of the card is in the request
    const texts = Array.from({ length: 30 }, (_unused, index) =>
      `Your card ${index * 7919} is on its way. `.padEnd(400, 'Thank you for your letter. ')
    )
    await log(store, ...answeredWith(texts))
    expect((await load(store))!.isFreeText).toBe(false)
  })

  it('does not tell it by too few answers', async ({ store }) => {
    await log(store, ...answeredWith(letters(19)))
    expect((await load(store))!.isFreeText).toBe(false)
  })

  it('tells other answers from free text', async ({ store }) => {
    const rows = letters(30).map((text) => JSON.stringify({ text }))
    await log(store, ...answeredWith(rows))
    expect((await load(store))!.isFreeText).toBe(false)
  })

  it('estimates tokens where the upstream counted none', async ({ store }) => {
    await log(store, exampleRecord(1, { usage: null }))
    expect((await load(store))!.upstream).toMatchObject({
      isEstimated: true,
    })
  })
})
