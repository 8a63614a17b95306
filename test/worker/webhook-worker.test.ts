/** Events of a whole worker: they are sent beside its rounds, which a webhook never delays. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  winningLora,
  type Internalization,
} from '../../src/core/internalization/internalization.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { goLive } from '../../src/lifecycle/promote.ts'
import type { WorkerDeps } from '../../src/worker/deps.ts'
import { orderRecord } from '../kit/records/paint-orders.ts'
import { answerBody } from '../kit/records/completion.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { isSigned, WEBHOOK_SECRET, WebhookReceiver } from '../kit/upstream/webhook-receiver.ts'
import { SECOND_MS, useWorkerHarness, type WorkerHarness } from './harness.ts'
import { PATIENCE } from './webhook-harness.ts'

const ANSWER_MS = 10_000
const ROLLOUT = { ...AT_ONCE, auditShare: 0.03 }

const open = useWorkerHarness()

let receiver: WebhookReceiver
let stop: AbortController
/** ends the time of the request in flight */
let endRequest: () => void

beforeEach(async () => {
  receiver = await WebhookReceiver.start()
  stop = new AbortController()
})

afterEach(() => {
  stop.abort()
  receiver.close()
})

/** Pauses end in the next tick; the time of a request ends when the test says so. */
const sleep: WorkerDeps['sleep'] = (ms, ended) =>
  ms === ANSWER_MS
    ? new Promise((resolve) => {
        ended?.addEventListener('abort', () => resolve())
        endRequest = resolve
      })
    : delay(1)

const run = async (
  harness: WorkerHarness,
  changes: Partial<WorkerDeps> = {}
): Promise<{ ended: Promise<void> }> => {
  const webhook = { url: receiver.url, secret: WEBHOOK_SECRET, fetch }
  const deps = harness.deps({ rollout: ROLLOUT, webhook, sleep, ...changes })
  return { ended: (await harness.worker(deps)).run(stop.signal) }
}

/** Audited requests that the lora answers differently. */
const disagreeing = (live: Internalization, at: number): ExchangeRecord[] =>
  Array.from({ length: 40 }, (_, number) => ({
    ...orderRecord(number),
    id: `audit-${number}`,
    at,
    response: answerBody('violet'),
    route: {
      templateVersion: live.templateVersion,
      lora: winningLora(live)!,
      outcome: 'skipped',
      reason: 'audit',
      confidence: null,
      promptTokensSaved: 0,
    },
  }))

describe('a worker', () => {
  it('rolls a route back while its webhook never answers, and tells of it later', async () => {
    const harness = await open({ from: 'approval' })
    receiver.answer = null
    const faults: string[] = []
    const { ended } = await run(harness, { fault: (kind) => void faults.push(kind) })
    const context = { by: 'admin', now: harness.now, rollout: ROLLOUT }
    const live = await goLive(harness.store, await harness.newest(), context)
    await expect.poll(() => receiver.types, PATIENCE).toEqual(['rollout.promoted'])
    await harness.log(disagreeing(live, harness.now))
    await expect.poll(() => harness.state(), PATIENCE).toBe('retired')
    expect(await harness.store.routes.list()).toEqual([])
    expect(receiver.received).toHaveLength(1)
    receiver.answer = 200
    endRequest()
    await expect.poll(() => faults, PATIENCE).toEqual(['webhook'])
    harness.now += SECOND_MS
    await expect
      .poll(() => receiver.types.slice(1), PATIENCE)
      .toEqual(['rollout.promoted', 'rollout.drift', 'rollout.rolled_back'])
    expect(receiver.ids[1]).toBe(receiver.ids[0])
    expect(receiver.received.every(isSigned)).toBe(true)
    expect(receiver.received[3]!.event.data).toMatchObject({
      template: live.templateVersion,
      by: 'worker',
      evidence: { margin: 0.05 },
    })
    expect(JSON.stringify(receiver.received)).not.toContain('violet')
    stop.abort()
    await ended
  })
})
