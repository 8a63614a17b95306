import { expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { newTaskName, saveTask } from '../../src/lifecycle/forget-task.ts'
import { saveRolloutReport } from '../../src/lifecycle/rollout-report.ts'
import type { Store } from '../../src/store/store.ts'
import {
  exampleEvaluation,
  exampleInternalization,
  exampleRecord,
} from '../kit/records/examples.ts'
import { exampleReport } from '../kit/records/rollout.ts'
import { openPage, READ_TOKEN } from './harness.ts'

const PAIRS = { ...exampleReport().outcomes, agreed: 153 }

const failing = (index: number) => exampleRecord(index, { at: 60_000, status: 502 })

const CHANGES: [what: string, change: (store: Store) => Promise<unknown>][] = [
  ['an internalization', (store) => store.internalizations.create(exampleInternalization('a'))],
  [
    'an evaluated row',
    (store) =>
      store.internalizations.addEvaluations([exampleEvaluation('r', { internalizationId: 'a' })]),
  ],
  [
    'evidence of a live route',
    (store) => saveRolloutReport(store, 'a', exampleReport({ outcomes: PAIRS })),
  ],
  [
    'a task of forgetting',
    (store) =>
      saveTask(store, newTaskName('f'), {
        learned: [],
        loras: [],
        templates: [],
        isForgotten: false,
        isScrubbed: false,
      }),
  ],
  ['the first request that failed', (store) => store.records.append(batchOf([failing(1)]))],
]

const CHANGED = expect.stringMatching(/^data: changed\nid: [\w-]{22}\n\n$/)

it('tells an open view of every change that it shows, and of nothing else', async () => {
  const page = await openPage()
  await page.signIn()
  const closed = new AbortController()
  const { body } = await page.request('/admin/live', { signal: closed.signal })
  const events = body!.pipeThrough(new TextDecoderStream()).getReader()
  // the first look at the store
  await new Promise((resolve) => setTimeout(resolve, 500))
  for (const [what, change] of CHANGES) {
    page.clock.now += 60_000 / CHANGES.length
    await change(page.store)
    expect([what, (await events.read()).value]).toEqual([what, CHANGED])
  }
  page.clock.now += 10_000
  // no request is told, unless it failed
  await page.store.records.append(batchOf([exampleRecord(2, { at: 60_000 })]))
  // the same evidence, looked at again
  await saveRolloutReport(page.store, 'a', exampleReport({ outcomes: PAIRS, at: 99 }))
  const silence = new Promise((resolve) => setTimeout(() => resolve('silence'), 3_000))
  expect(await Promise.race([events.read(), silence])).toBe('silence')
  closed.abort()
  await page.close()
})

it.each(['a view that was just rendered', 'a browser that connects again'])(
  'tells what changed before it connected: %s',
  async (who) => {
    const page = await openPage()
    await page.signIn()
    const view = await (await page.request('/admin')).text()
    const source = /data-live-source="([^"]+)"/.exec(view)![1]!
    await page.store.internalizations.create(exampleInternalization('a'))
    page.clock.now += 2_000
    const closed = new AbortController()
    const since = new URL(source, 'http://page').searchParams.get('since')!
    const { body } = await (who.startsWith('a view')
      ? page.request(source, { signal: closed.signal })
      : page.request('/admin/live?since=older', {
          signal: closed.signal,
          headers: { 'last-event-id': since },
        }))
    const events = body!.pipeThrough(new TextDecoderStream()).getReader()
    expect((await events.read()).value).toEqual(CHANGED)
    closed.abort()
    await page.close()
  }
)

it('views of the read-only token take no place of those of the full one', async () => {
  const page = await openPage()
  const closed = new AbortController()
  const status = async (): Promise<number> =>
    (await page.request('/admin/live', { signal: closed.signal })).status
  await page.signIn(READ_TOKEN)
  for (let i = 0; i < 100; i++) expect(await status()).toBe(200)
  expect(await status()).toBe(503)
  await page.signIn()
  expect(await status()).toBe(200)
  closed.abort()
  await page.close()
})
