/** A webhook that fails, never answers or wants no more: the worker goes on, and no event is lost. */
import { saidBy } from '../../src/core/reason.ts'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { goLive, rollBack } from '../../src/lifecycle/promote.ts'
import { SECRET_PATH, SECRET_QUERY, WEBHOOK_SECRET } from '../kit/upstream/webhook-receiver.ts'
import { DAY_MS, ID, it, PATIENCE, SECOND_MS, settle, signal, TEXT } from './webhook-harness.ts'

describe('a webhook that fails', () => {
  it('gets the same event with growing pauses, and then the others in order', async ({ told }) => {
    const { receiver } = told
    const sender = await told.start()
    await told.live()
    receiver.answer = 500
    const at: number[] = []
    for (let second = 0; second < 3_000; second++) {
      const before = receiver.received.length
      await sender!.step(signal)
      if (receiver.received.length > before) at.push(second)
      told.now += SECOND_MS
    }
    const pauses = at.slice(1).map((time, index) => time - at[index]!)
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600])
    expect(new Set(receiver.types)).toEqual(new Set(['internalization.approval']))
    receiver.answer = 200
    told.now += 600 * SECOND_MS
    await settle(sender)
    expect(receiver.types.slice(-2)).toEqual(['internalization.approval', 'rollout.promoted'])
    expect(told.lines.every(({ kind }) => kind === 'webhook')).toBe(true)
    expect(told.lines[3]).toMatchObject({
      host: receiver.host,
      nextInMs: 8_000,
      count: 4,
    })
    expect(new Set(told.faults)).toEqual(new Set(['the webhook answered with status 500']))
  })

  it('may ask for a longer pause, up to the longest', async ({ told }) => {
    const { receiver } = told
    const sender = await told.start()
    await told.approved()
    const pauseAfter = async (retryAfter: string): Promise<unknown> => {
      receiver.answer = (response) => response.writeHead(429, { 'retry-after': retryAfter }).end()
      await sender!.step(signal)
      told.now += DAY_MS / 24
      return told.lines.at(-1)!['nextInMs']
    }
    expect(await pauseAfter('30')).toBe(30_000)
    expect(await pauseAfter('86400')).toBe(600_000)
    expect(await pauseAfter('Wed, 21 Oct 2026 07:28:00 GMT')).toBe(4_000)
  })

  it('is tried again at once when the clock is set back', async ({ told }) => {
    const { receiver } = told
    const sender = await told.start()
    await told.approved()
    receiver.answer = 500
    await sender!.step(signal)
    told.now -= 30 * DAY_MS
    receiver.answer = 200
    await settle(sender)
    expect(receiver.received).toHaveLength(2)
  })

  it('is not redirected to another place', async ({ told }) => {
    const { receiver } = told
    const sender = await told.start()
    await told.approved()
    const location = `http://${receiver.host}/elsewhere`
    receiver.answer = (response) => response.writeHead(307, { location }).end()
    await settle(sender)
    expect(receiver.received).toHaveLength(1)
    expect(told.faults).toEqual(['the webhook answered with status 307'])
  })

  it('gets nothing more after it answered 410, until the worker starts again', async ({ told }) => {
    const { receiver } = told
    const sender = await told.start()
    await told.live()
    receiver.answer = 410
    await settle(sender)
    receiver.answer = 200
    told.now += DAY_MS
    await settle(sender)
    expect(receiver.received).toHaveLength(1)
    expect(told.faults).toEqual([
      'the webhook answered with status 410, so nothing is sent until a restart',
    ])
    await settle(await told.start())
    expect(receiver.types.slice(1)).toEqual(['internalization.approval', 'rollout.promoted'])
  })

  it('is given up after its time to answer', async ({ told }) => {
    const { receiver } = told
    const limits: number[] = []
    const sleep = async (ms: number) => void limits.push(ms)
    const sender = await told.start({ sleep })
    await told.approved()
    receiver.answer = null
    await settle(sender)
    expect(limits).toEqual([10_000])
    expect(told.faults).toEqual(['the webhook did not answer within 10000 ms'])
  })

  it('has received an event although its answer never ends', async ({ told }) => {
    const { receiver } = told
    const sender = await told.start()
    await told.approved()
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
    expect(told.logged).toHaveLength(1)
    expect(told.lines).toEqual([])
    await expect.poll(() => isClosed, PATIENCE).toBe(true)
  })

  it('is told of later events when one is dropped after three days', async ({ store, told }) => {
    const { receiver } = told
    const sender = await told.start()
    await told.approved()
    told.now += DAY_MS
    await goLive(store, (await store.internalizations.get(ID))!, told.context('cli'))
    receiver.answer = 400
    const end = told.now + 3.5 * DAY_MS
    while (told.now < end) {
      await sender!.step(signal)
      told.now += 3_600 * SECOND_MS
    }
    const drops = told.lines.filter((line) => line.causes[0]!.message.includes('dropped'))
    expect(drops).toMatchObject([
      { type: 'internalization.approval' },
      { type: 'rollout.promoted' },
    ])
    expect(drops[0]!.causes.map(({ message }) => message)).toEqual([
      'the event is dropped: the webhook has failed for three days',
      'the webhook answered with status 400',
    ])
    receiver.answer = 200
    await rollBack(store, 'version-1', saidBy(TEXT), told.context('cli'))
    await settle(sender)
    expect(receiver.types.at(-1)).toBe('rollout.rolled_back')
  })

  it('loses nothing at the start of a machine that was off for days', async ({ told }) => {
    const { receiver } = told
    receiver.answer = 500
    const sender = await told.start()
    await told.live()
    await settle(sender)
    told.now += 5 * DAY_MS
    const later = await told.start()
    await settle(later)
    receiver.answer = 200
    told.now += SECOND_MS
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
  ] as const)('shows no secret in the log when it %s', async ([, answer], { told }) => {
    const { receiver } = told
    const sender = await told.start({
      sleep: () => delay(answer === null ? 0 : 10_000, undefined, { ref: false }),
    })
    await told.approved()
    if (answer === 'away') receiver.close()
    else receiver.answer = answer
    await settle(sender)
    receiver.answer = 200
    expect(told.lines).toHaveLength(1)
    const written = JSON.stringify([told.lines, told.logged])
    expect(written).toContain(receiver.host)
    for (const secret of [SECRET_PATH, SECRET_QUERY, WEBHOOK_SECRET.slice(6)])
      expect(written).not.toContain(secret)
  })
})

/** Every pause ends in the next tick, and a request may take for ever. */
const sleep = (ms: number, ended?: AbortSignal): Promise<void> =>
  ms === 10_000
    ? new Promise((resolve) => ended?.addEventListener('abort', () => resolve()))
    : delay(1)

describe('a sender that runs', () => {
  it('ends with the worker in the middle of a request, which is no fault', async ({ told }) => {
    const { receiver } = told
    const stop = new AbortController()
    const sender = await told.start({ sleep })
    await told.approved()
    receiver.answer = null
    const running = sender!.run(stop.signal)
    await expect.poll(() => receiver.received.length, PATIENCE).toBe(1)
    stop.abort()
    await running
    expect(told.lines).toEqual([])
    receiver.answer = 200
    await settle(await told.start())
    expect(new Set(receiver.ids).size).toBe(1)
    expect(receiver.received).toHaveLength(2)
  })

  it('reports a store that fails, pauses, and goes on', async ({ store, told }) => {
    const { receiver } = told
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
    await told.start()
    const sender = await told.start({ store: failing, sleep })
    await told.approved()
    const running = sender!.run(stop.signal)
    const sent = (): number => {
      told.now += SECOND_MS
      return told.logged.length
    }
    await expect.poll(sent, PATIENCE).toBe(1)
    stop.abort()
    await running
    expect(told.faults).toEqual(Array(3).fill('the disk is full'))
    expect(receiver.received).toHaveLength(4)
    expect(new Set(receiver.ids).size).toBe(1)
  })
})
