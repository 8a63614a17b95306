/** Economics from cached figures: a page must not read thousands of records before it answers. */
import { describe, expect } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import { economicsSettings } from '../../src/config/config-files.ts'
import { openEconomics } from '../../src/savings/economics.ts'
import type { Store } from '../../src/store/store.ts'
import { addTraffic } from '../kit/store/add-traffic.ts'
import { answerBody } from '../kit/records/completion.ts'
import {
  exampleApproved,
  exampleRecord,
  exampleRoute,
  exampleTemplate,
  LIVE_STATE,
} from '../kit/records/examples.ts'
import { it } from '../kit/store/local-store.ts'

const [FIRST, LIVE] = [exampleTemplate('version-1'), exampleTemplate('version-2')]
const TEN_MINUTES_MS = 600_000

const countingLists = (store: Store) => {
  const calls = { lists: 0 }
  const list: Store['records']['list'] = (query) => {
    calls.lists++
    return store.records.list(query)
  }
  return { calls, counted: { ...store, records: { ...store.records, list } } }
}

const readRows = async ({ internalizations, templates }: Store) => ({
  internalizations: await internalizations.list({ recordIds: false }),
  templates: await templates.list(),
})

const open = async (store: Store) => {
  await store.templates.upsert([FIRST, LIVE])
  await addTraffic(store, [exampleRecord(1)], FIRST.version)
  const clock = { now: 1_000 }
  const { calls, counted } = countingLists(store)
  const settings = economicsSettings(parseConfig({}), [])
  return { clock, calls, economics: openEconomics(counted, settings, () => clock.now) }
}

describe('known economics', () => {
  it('read no record, and are those that were assessed in the last ten minutes', async ({
    store,
  }) => {
    const { economics, clock, calls } = await open(store)
    expect((await economics.known([FIRST])).size).toBe(0)
    expect(calls.lists).toBe(0)
    const assessed = await economics.assess([FIRST])
    const read = calls.lists
    expect(await economics.known([FIRST, LIVE])).toEqual(assessed)
    expect(calls.lists).toBe(read)
    clock.now += TEN_MINUTES_MS
    expect((await economics.known([FIRST])).size).toBe(0)
  })

  it('are missing while those of a live template are, which shares the cost of the engine', async ({
    store,
  }) => {
    const { economics } = await open(store)
    await economics.assess([FIRST])
    await store.internalizations.create(
      exampleApproved('i', { templateVersion: LIVE.version, state: LIVE_STATE })
    )
    await store.routes.put({ ...exampleRoute(LIVE.version), internalizationId: 'i' })
    expect((await economics.known([FIRST])).size).toBe(0)
    await economics.assess([FIRST])
    expect([...(await economics.known([FIRST])).keys()]).toEqual([FIRST.version])
  })

  it('say that free text does not go live without a judge, whatever it would save', async ({
    store,
  }) => {
    await store.templates.upsert([FIRST])
    const letters = Array.from({ length: 20 }, (_unused, index) => {
      const letter = `Dear customer ${index}, thank you for your letter. `.repeat(8)
      return exampleRecord(index, { response: answerBody(letter) })
    })
    await addTraffic(store, letters, FIRST.version)
    const assessed = async (environment: Record<string, string>) => {
      const settings = economicsSettings(parseConfig(environment), [])
      const economics = openEconomics(store, settings, () => 1_000)
      return (await economics.assess([FIRST])).get(FIRST.version)
    }
    expect(await assessed({})).toMatchObject({
      verdict: 'does-not-pay',
      reason:
        'its answers are free text without a form, which goes live only where a judge compares it: name one with JUDGE_MODEL',
      monthly: null,
    })
    const judged = await assessed({ JUDGE_MODEL: 'judge-large', PROOF_USD: '5' })
    expect(judged).toMatchObject({ isFreeText: false })
    expect(judged!.reason).not.toContain('free text')
  })

  it('are measured once when two ask at the same time', async ({ store }) => {
    const { economics, calls } = await open(store)
    await economics.assess([FIRST])
    const once = calls.lists
    const other = await open(store)
    await Promise.all([other.economics.assess([FIRST]), other.economics.assess([FIRST])])
    expect(other.calls.lists).toBe(once)
  })

  it('give savings once all templates that were internalized are measured', async ({ store }) => {
    const { economics } = await open(store)
    expect(await economics.knownSavings(await readRows(store))).toMatchObject({
      periods: { all: { trainingHours: 0 } },
    })
    await store.internalizations.create(exampleApproved('i'))
    expect(await economics.knownSavings(await readRows(store))).toBeNull()
    const savings = await economics.savings()
    expect(savings.periods.all.trainingHours).toBeGreaterThan(0)
    expect(await economics.knownSavings(await readRows(store))).toEqual(savings)
  })
})
