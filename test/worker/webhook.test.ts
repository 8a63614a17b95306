/** The operator is told of promotions, stages, rollbacks, ends and drift: signed, in order, at least once. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect } from 'vitest'
import type {
  Internalization,
  InternalizationState,
} from '../../src/core/lifecycle/internalization.ts'
import type { EvidenceFigures } from '../../src/core/rollout/stages.ts'
import { AppError } from '../../src/errors.ts'
import { createFaultLog, noFaults, WORKER_FAULTS, type FaultLine } from '../../src/fault-log.ts'
import { goLive, retire, rollBack } from '../../src/lifecycle/promote.ts'
import { saveRolloutReport, type RolloutReport } from '../../src/lifecycle/rollout-report.ts'
import type { Store } from '../../src/store/store.ts'
import type { WorkerDeps, WorkerEvent } from '../../src/worker/deps.ts'
import { signatureOf } from '../../src/worker/webhook/post.ts'
import { openWebhook, type WebhookSender } from '../../src/worker/webhook/sender.ts'
import { exampleApproved, exampleInternalization, exampleTemplate } from '../fixtures/examples.ts'
import { it } from '../fixtures/local-store.ts'
import { AT_ONCE } from '../fixtures/rollout.ts'
import {
  isSigned,
  SECRET_PATH,
  SECRET_QUERY,
  WEBHOOK_SECRET,
  WebhookReceiver,
} from '../fixtures/webhook-receiver.ts'

const SECOND_MS = 1_000
const DAY_MS = 86_400_000
const BEGINNING = 1_800_000_000_000
const ID = 'internalization-1'
/** Text of a person or of the traffic, which no event may contain. */
const TEXT = 'customer-of-gold'

const EVIDENCE: EvidenceFigures = {
  pairs: 160,
  losses: 21,
  interval: [0.08, 0.201],
  margin: 0.05,
  proven: 0.039,
  rollback: 5.9,
  drift: 7.2,
  step: -3,
  stagePairs: 160,
}

let receiver: WebhookReceiver
let now: number
let lines: FaultLine[]
let logged: WorkerEvent[]

beforeEach(async () => {
  receiver = await WebhookReceiver.start()
  now = BEGINNING
  lines = []
  logged = []
})

afterEach(() => receiver.close())

const never = () => new Promise<void>(() => {})

/** A worker's sender; each call is one more start of the worker. */
const start = (store: Store, changes: Partial<WorkerDeps> = {}): Promise<WebhookSender | null> =>
  openWebhook({
    store,
    webhook: { url: receiver.url, secret: WEBHOOK_SECRET, fetch },
    now: () => now,
    sleep: never,
    log: (event) => void logged.push(event),
    fault: createFaultLog({
      write: (line) => void lines.push(line),
      counts: noFaults(WORKER_FAULTS),
      now: () => now,
    }),
    ...changes,
  })

const { signal } = new AbortController()

/** Attempts until nothing is due. */
const settle = async (sender: WebhookSender | null): Promise<void> => {
  while (await sender!.step(signal));
}

const faultMessages = (): string[] => lines.map(({ causes }) => causes[0]!.message)

const context = (by: string) => ({ by, now, rollout: AT_ONCE })

const approved = async (store: Store, id = ID): Promise<Internalization> => {
  await store.templates.upsert([exampleTemplate()])
  const row = exampleApproved(id, { createdAt: now })
  await store.internalizations.create(row)
  return row
}

const live = async (store: Store, by = 'cli'): Promise<Internalization> =>
  goLive(store, await approved(store), context(by))

/** An internalization that goes through the states, one second apart. */
const through = async (
  store: Store,
  first: Internalization,
  states: [state: InternalizationState, by: string][]
): Promise<void> => {
  await store.internalizations.create(first)
  let row = first
  for (const [state, by] of states) {
    now += SECOND_MS
    row = await store.internalizations.save({ ...row, state }, by, now)
  }
}

const drifted = (driftedAt: number | null): RolloutReport => ({
  at: now,
  stage: { share: 1, before: { pairs: 0, losses: 0 } },
  evidence: EVIDENCE,
  rollbackCapital: 300,
  stepCapital: 20,
  outcomes: { agreed: 139, disagreed: 21, 'upstream-differs': 0, fallback: 0, unusable: 0 },
  waiting: 0,
  dropped: 0,
  mayStep: false,
  driftedAt,
  spentUsdToday: 0,
  auditUsdPerDay: null,
})

describe('a signature', () => {
  it('is that of the published example of Standard Webhooks', () => {
    const example = {
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      timestamp: 1614265330,
      body: '{"test": 2432232314}',
    }
    expect(signatureOf('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', example)).toBe(
      'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    )
  })

  it('covers id, time and the bytes of the body, and is new in each attempt', async ({ store }) => {
    const sender = await start(store)
    await approved(store)
    receiver.answer = 503
    await sender!.step(signal)
    now += 10 * SECOND_MS
    receiver.answer = 200
    await sender!.step(signal)
    const [first, second] = receiver.received
    expect(receiver.received.map(isSigned)).toEqual([true, true])
    expect(Number(second!.headers['webhook-timestamp'])).toBe(now / 1000)
    expect(second!.headers['webhook-signature']).not.toBe(first!.headers['webhook-signature'])
    expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id'])
    expect(second!.body).toBe(first!.body)
  })
})

describe('an event', () => {
  it('has ids and figures', async ({ store }) => {
    const sender = await start(store)
    const row = await live(store)
    await retire(store, row, 'rolled back: figures', context('worker'), EVIDENCE)
    await settle(sender)
    const { method, url, headers, event } = receiver.received.at(-1)!
    expect([method, url]).toEqual(['POST', `/${SECRET_PATH}?token=${SECRET_QUERY}`])
    expect(headers['content-type']).toBe('application/json')
    expect(headers['webhook-id']).toMatch(/^[\w-]+$/)
    expect(event).toEqual({
      type: 'rollout.rolled_back',
      timestamp: new Date(now).toISOString(),
      data: {
        template: 'version-1',
        tenant: 'tenant-a',
        internalization: ID,
        from: { state: 'live', share: 1 },
        to: { state: 'retired', share: null },
        by: 'worker',
        reason:
          'rolled back: it disagrees with the upstream in 21 of 160 conversations, 13.1 % ' +
          '(8.0 % to 20.1 %), and at most 5.0 % may; evidence 365',
        evidence: EVIDENCE,
        proof: { coverage: 0.6, agreementAnswered: 0.98, agreementAnsweredBound: 0.96 },
      },
    })
  })

  it('is sent for each change that an operator cares for, in order', async ({ store }) => {
    const sender = await start(store)
    const stage = (share: number) => ({ share, before: { pairs: 0, losses: 0 } })
    const other = (id: string) => exampleInternalization(id, { templateVersion: id })
    await through(store, other('a'), [
      [{ name: 'training', arm: 0, stage: 0 }, 'worker'],
      [{ name: 'evaluating' }, 'worker'],
      [{ name: 'approval' }, 'worker'],
      [{ name: 'live', stage: stage(0) }, 'admin'],
      [{ name: 'live', stage: stage(0.05), evidence: EVIDENCE }, 'worker'],
      [{ name: 'retired', reason: 'replaced by b' }, 'admin'],
      [{ name: 'live', stage: stage(0.05) }, 'cli'],
      [{ name: 'retired', reason: TEXT }, 'cli'],
      [{ name: 'retired', reason: 'it was trained on records that were forgotten' }, 'cli'],
    ])
    await through(store, other('c'), [[{ name: 'rejected', reason: `plan=${TEXT}` }, 'worker']])
    await through(store, other('d'), [[{ name: 'failed', cause: TEXT }, 'worker']])
    await settle(sender)
    expect(receiver.types).toEqual([
      'internalization.approval',
      'rollout.promoted',
      'rollout.stage',
      'rollout.retired',
      'rollout.restored',
      'rollout.rolled_back',
      'internalization.rejected',
      'internalization.failed',
    ])
    const [, , step] = receiver.received
    expect(step!.event.data).toMatchObject({
      from: { state: 'live', share: 0 },
      to: { state: 'live', share: 0.05 },
      reason: expect.stringMatching(/^canary 5 %: it disagrees/) as string,
      evidence: EVIDENCE,
    })
    expect(new Set(receiver.ids).size).toBe(8)
    expect(JSON.stringify(receiver.received)).not.toContain(TEXT)
  })

  it('is one of the commands and the admin API, too', async ({ store }) => {
    const sender = await start(store)
    await live(store, 'cli')
    await rollBack(store, 'version-1', TEXT, context('admin'))
    await settle(sender)
    expect(receiver.received.map(({ event }) => [event.type, event.data.by])).toEqual([
      ['internalization.approval', 'worker'],
      ['rollout.promoted', 'cli'],
      ['rollout.rolled_back', 'admin'],
    ])
    expect(logged.map(({ message }) => message)).toEqual(Array(3).fill('webhook told'))
  })
})

describe('drift', () => {
  it('is told once, also by the next worker, and again when it was seen anew', async ({
    store,
  }) => {
    const sender = await start(store)
    await live(store)
    await saveRolloutReport(store, ID, drifted(null))
    await settle(sender)
    expect(receiver.types).toHaveLength(2)
    await saveRolloutReport(store, ID, drifted(now))
    await settle(sender)
    await saveRolloutReport(store, ID, { ...drifted(now), waiting: 3 })
    await settle(sender)
    await settle(await start(store))
    expect(receiver.types.slice(2)).toEqual(['rollout.drift'])
    expect(receiver.received[2]!.event.data).toMatchObject({
      from: { state: 'live', share: 1 },
      reason: expect.stringMatching(/^its traffic has changed/) as string,
      evidence: EVIDENCE,
    })
    now += DAY_MS
    await saveRolloutReport(store, ID, drifted(now))
    await settle(sender)
    expect(receiver.types.slice(2)).toEqual(['rollout.drift', 'rollout.drift'])
    expect(new Set(receiver.ids).size).toBe(4)
  })

  it('comes before the rollback that it led to', async ({ store }) => {
    const sender = await start(store)
    const row = await live(store)
    await saveRolloutReport(store, ID, drifted(now))
    await retire(store, row, 'rolled back', context('worker'), EVIDENCE)
    await settle(sender)
    expect(receiver.types.slice(2)).toEqual(['rollout.drift', 'rollout.rolled_back'])
  })

  it('is repeated after a failed attempt, with the same id', async ({ store }) => {
    const sender = await start(store)
    await live(store)
    await settle(sender)
    await saveRolloutReport(store, ID, drifted(now))
    receiver.answer = 500
    await settle(sender)
    receiver.answer = 200
    now += SECOND_MS
    await settle(sender)
    expect(receiver.types.slice(2)).toEqual(['rollout.drift', 'rollout.drift'])
    expect(new Set(receiver.ids.slice(2)).size).toBe(1)
  })
})

describe('a start', () => {
  it('for the first time sends nothing of the past', async ({ store }) => {
    await live(store)
    await saveRolloutReport(store, ID, drifted(now))
    const sender = await start(store)
    await settle(sender)
    expect(receiver.received).toEqual([])
    await rollBack(store, 'version-1', TEXT, context('cli'))
    await settle(sender)
    expect(receiver.types).toEqual(['rollout.rolled_back'])
  })

  it('without a webhook sends nothing, and a later one begins at its own present', async ({
    store,
  }) => {
    await start(store)
    await approved(store)
    expect(await start(store, { webhook: null })).toBeNull()
    await settle(await start(store))
    expect(receiver.received).toEqual([])
  })

  it('goes on where the last worker stopped', async ({ store }) => {
    await start(store)
    await live(store)
    await settle(await start(store))
    await rollBack(store, 'version-1', TEXT, context('cli'))
    await settle(await start(store))
    expect(receiver.types).toEqual([
      'internalization.approval',
      'rollout.promoted',
      'rollout.rolled_back',
    ])
  })

  it('repeats the event whose delivery was not saved before a crash', async ({ store }) => {
    const crashing = {
      ...store,
      snapshots: {
        ...store.snapshots,
        put: () => Promise.reject(new AppError('store-unavailable', 'the process died here')),
      },
    }
    await start(store)
    await live(store)
    await expect((await start(crashing))!.step(signal)).rejects.toThrow('died here')
    await settle(await start(store))
    const [first, second, third] = receiver.ids
    expect(second).toBe(first)
    expect(third).not.toBe(first)
    expect(receiver.received).toHaveLength(3)
    expect(receiver.received[1]!.body).toBe(receiver.received[0]!.body)
  })
})

describe('a webhook that fails', () => {
  it('gets the same event with growing pauses, and then the others in order', async ({ store }) => {
    const sender = await start(store)
    await live(store)
    receiver.answer = 500
    const at: number[] = []
    for (let second = 0; second < 3_000; second++) {
      const before = receiver.received.length
      await sender!.step(signal)
      if (receiver.received.length > before) at.push(second)
      now += SECOND_MS
    }
    const pauses = at.slice(1).map((time, index) => time - at[index]!)
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600])
    expect(new Set(receiver.types)).toEqual(new Set(['internalization.approval']))
    receiver.answer = 200
    now += 600 * SECOND_MS
    await settle(sender)
    expect(receiver.types.slice(-2)).toEqual(['internalization.approval', 'rollout.promoted'])
    expect(lines.every(({ kind }) => kind === 'webhook')).toBe(true)
    expect(lines[3]).toMatchObject({ host: receiver.host, nextInMs: 8_000, count: 4 })
    expect(new Set(faultMessages())).toEqual(new Set(['the webhook answered with status 500']))
  })

  it('may ask for a longer pause, up to the longest', async ({ store }) => {
    const sender = await start(store)
    await approved(store)
    const pauseAfter = async (retryAfter: string): Promise<unknown> => {
      receiver.answer = (response) => response.writeHead(429, { 'retry-after': retryAfter }).end()
      await sender!.step(signal)
      now += DAY_MS / 24
      return lines.at(-1)!['nextInMs']
    }
    expect(await pauseAfter('30')).toBe(30_000)
    expect(await pauseAfter('86400')).toBe(600_000)
    expect(await pauseAfter('Wed, 21 Oct 2026 07:28:00 GMT')).toBe(4_000)
  })

  it('is tried again at once when the clock is set back', async ({ store }) => {
    const sender = await start(store)
    await approved(store)
    receiver.answer = 500
    await sender!.step(signal)
    now -= 30 * DAY_MS
    receiver.answer = 200
    await settle(sender)
    expect(receiver.received).toHaveLength(2)
  })

  it('is not redirected to another place', async ({ store }) => {
    const sender = await start(store)
    await approved(store)
    const location = `http://${receiver.host}/elsewhere`
    receiver.answer = (response) => response.writeHead(307, { location }).end()
    await settle(sender)
    expect(receiver.received).toHaveLength(1)
    expect(faultMessages()).toEqual(['the webhook answered with status 307'])
  })

  it('gets nothing more after it answered 410, until the worker starts again', async ({
    store,
  }) => {
    const sender = await start(store)
    await live(store)
    receiver.answer = 410
    await settle(sender)
    receiver.answer = 200
    now += DAY_MS
    await settle(sender)
    expect(receiver.received).toHaveLength(1)
    expect(faultMessages()).toEqual([
      'the webhook answered with status 410, so nothing is sent until a restart',
    ])
    await settle(await start(store))
    expect(receiver.types.slice(1)).toEqual(['internalization.approval', 'rollout.promoted'])
  })

  it('is given up after its time to answer', async ({ store }) => {
    const limits: number[] = []
    const sleep = async (ms: number) => void limits.push(ms)
    const sender = await start(store, { sleep })
    await approved(store)
    receiver.answer = null
    await settle(sender)
    expect(limits).toEqual([10_000])
    expect(faultMessages()).toEqual(['the webhook did not answer within 10000 ms'])
  })

  it('has received an event although its answer never ends', async ({ store }) => {
    const sender = await start(store)
    await approved(store)
    let isClosed = false
    receiver.answer = (response) => {
      response.on('close', () => (isClosed = true))
      const pump = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        response.once('drain', pump)
      }
      pump()
    }
    await settle(sender)
    expect(logged).toHaveLength(1)
    expect(lines).toEqual([])
    await expect.poll(() => isClosed).toBe(true)
  })

  it('is told of later events when one is dropped after three days', async ({ store }) => {
    const sender = await start(store)
    await approved(store)
    now += DAY_MS
    await goLive(store, (await store.internalizations.get(ID))!, context('cli'))
    receiver.answer = 400
    const end = BEGINNING + 4.5 * DAY_MS
    while (now < end) {
      await sender!.step(signal)
      now += 1_200 * SECOND_MS
    }
    const drops = lines.filter((line) => line.causes[0]!.message.includes('dropped'))
    expect(drops).toMatchObject([
      { type: 'internalization.approval' },
      { type: 'rollout.promoted' },
    ])
    expect(drops[0]!.causes.map(({ message }) => message)).toEqual([
      'the event is dropped: the webhook has failed for three days',
      'the webhook answered with status 400',
    ])
    receiver.answer = 200
    await rollBack(store, 'version-1', TEXT, context('cli'))
    await settle(sender)
    expect(receiver.types.at(-1)).toBe('rollout.rolled_back')
  })

  it('loses nothing at the start of a machine that was off for days', async ({ store }) => {
    receiver.answer = 500
    const sender = await start(store)
    await live(store)
    await settle(sender)
    now += 5 * DAY_MS
    const later = await start(store)
    await settle(later)
    receiver.answer = 200
    now += SECOND_MS
    await settle(later)
    expect(receiver.types.slice(-2)).toEqual(['internalization.approval', 'rollout.promoted'])
  })

  it.for([
    ['answers 500', 500],
    ['redirects', 302],
    ['wants no more', 410],
    ['never answers', null],
    ['breaks off', (response: { destroy: () => void }) => response.destroy()],
    ['is away', 'away'],
  ] as const)('shows no secret in the log when it %s', async ([, answer], { store }) => {
    const sender = await start(store, {
      sleep: () => delay(answer === null ? 0 : 10_000, undefined, { ref: false }),
    })
    await approved(store)
    if (answer === 'away') receiver.close()
    else receiver.answer = answer
    await settle(sender)
    receiver.answer = 200
    expect(lines).toHaveLength(1)
    const written = JSON.stringify([lines, logged])
    expect(written).toContain(receiver.host === null ? '' : lines[0]!['host'])
    for (const secret of [SECRET_PATH, SECRET_QUERY, WEBHOOK_SECRET.slice(6)])
      expect(written).not.toContain(secret)
  })
})

describe('a sender that runs', () => {
  /** Every pause ends in the next tick, and a request may take for ever. */
  const sleep = (ms: number, ended?: AbortSignal): Promise<void> =>
    ms === 10_000
      ? new Promise((resolve) => ended?.addEventListener('abort', () => resolve()))
      : delay(1)

  it('ends with the worker in the middle of a request, which is no fault', async ({ store }) => {
    const stop = new AbortController()
    const sender = await start(store, { sleep })
    await approved(store)
    receiver.answer = null
    const running = sender!.run(stop.signal)
    await expect.poll(() => receiver.received.length).toBe(1)
    stop.abort()
    await running
    expect(lines).toEqual([])
    receiver.answer = 200
    await settle(await start(store))
    expect(new Set(receiver.ids).size).toBe(1)
    expect(receiver.received).toHaveLength(2)
  })

  it('reports a store that fails, pauses, and goes on', async ({ store }) => {
    const stop = new AbortController()
    let failures = 0
    const { snapshots } = store
    const failing = {
      ...store,
      snapshots: {
        ...snapshots,
        put: async (name: string, value: Uint8Array) => {
          if (failures++ < 3) throw new AppError('store-unavailable', 'the disk is full')
          await snapshots.put(name, value)
        },
      },
    }
    await start(store)
    const sender = await start(failing, { sleep })
    await approved(store)
    const running = sender!.run(stop.signal)
    await expect.poll(() => failures).toBe(1)
    for (let second = 0; second < 60; second++) {
      await delay(5)
      now += SECOND_MS
    }
    await expect.poll(() => logged.length).toBe(1)
    stop.abort()
    await running
    expect(faultMessages()).toEqual(Array(3).fill('the disk is full'))
    expect(receiver.received).toHaveLength(4)
    expect(new Set(receiver.ids).size).toBe(1)
  })
})
