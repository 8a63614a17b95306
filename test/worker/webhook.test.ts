/** The operator is told of promotions, stages, rollbacks, ends and drift: signed, in order, at least once. */
import { rolledBack } from '../../src/core/internalization/change-reason.ts'
import { reasonOf, saidBy } from '../../src/core/reason.ts'
import { describe, expect } from 'vitest'
import type {
  Internalization,
  InternalizationState,
} from '../../src/core/internalization/internalization.ts'
import { pausedStage } from '../../src/core/rollout/stages.ts'
import { AppError } from '../../src/errors.ts'
import { retire, rollBack } from '../../src/lifecycle/promote.ts'
import { saveRolloutReport } from '../../src/lifecycle/rollout-report.ts'
import { signatureOf } from '../../src/worker/webhook/post.ts'
import { exampleInternalization } from '../kit/records/examples.ts'
import { isSigned, SECRET_PATH, SECRET_QUERY } from '../kit/upstream/webhook-receiver.ts'
import {
  DAY_MS,
  EVIDENCE,
  ID,
  it,
  SECOND_MS,
  settle,
  signal,
  TEXT,
  type WebhookHarness,
} from './webhook-harness.ts'

const stage = (share: number) => ({ share, before: { pairs: 0, losses: 0, credits: 0 }, began: 0 })

const other = (id: string): Internalization => exampleInternalization(id, { templateVersion: id })

/** An internalization that goes through the states, one second apart. */
const through = async (
  told: WebhookHarness,
  first: Internalization,
  states: [state: InternalizationState, by: string][]
): Promise<void> => {
  await told.store.internalizations.create(first)
  let row = first
  for (const [state, by] of states) {
    told.now += SECOND_MS
    row = await told.store.internalizations.save({ ...row, state }, by, told.now)
  }
}

describe('for Slack', () => {
  it('an event is a message, and nothing is signed', async ({ told }) => {
    told.secret = null
    const { receiver } = told
    const sender = await told.start()
    await told.approved()
    await settle(sender)
    const [{ headers, body } = { headers: {}, body: '' }] = receiver.received
    expect(JSON.parse(body).text).toMatch(/^Template `[\w-]{8,9}` waits for your approval\n/)
    expect(Object.keys(headers).filter((name) => name.startsWith('webhook-'))).toEqual([])
  })
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

  it('covers id, time and the bytes of the body, and is new in each attempt', async ({ told }) => {
    const { receiver } = told
    const sender = await told.start()
    await told.approved()
    receiver.answer = 503
    await sender!.step(signal)
    told.now += 10 * SECOND_MS
    receiver.answer = 200
    await sender!.step(signal)
    const [first, second] = receiver.received
    expect(receiver.received.map(isSigned)).toEqual([true, true])
    expect(Number(second!.headers['webhook-timestamp'])).toBe(told.now / 1000)
    expect(second!.headers['webhook-signature']).not.toBe(first!.headers['webhook-signature'])
    expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id'])
    expect(second!.body).toBe(first!.body)
  })
})

/** Names a part of the traffic. */
const WORSE = reasonOf('slices-worse', {
  slices: [{ slice: `plan=${TEXT}`, agreement: 0.7, rows: 60, upstreamAgreement: 1 }],
})

describe('an event', () => {
  it('has ids and figures', async ({ store, told }) => {
    const { receiver } = told
    const sender = await told.start()
    const row = await told.live()
    await retire(store, row, rolledBack(EVIDENCE), told.context('worker'), {
      evidence: EVIDENCE,
    })
    await settle(sender)
    const { method, url, headers, event } = receiver.received.at(-1)!
    expect([method, url]).toEqual(['POST', `/${SECRET_PATH}?token=${SECRET_QUERY}`])
    expect(headers['content-type']).toBe('application/json')
    expect(headers['webhook-id']).toMatch(/^[\w-]+$/)
    expect(event).toEqual({
      type: 'rollout.rolled_back',
      timestamp: new Date(told.now).toISOString(),
      data: {
        template: 'version-1',
        tenant: 'tenant-a',
        internalization: ID,
        from: { state: 'live', share: 1 },
        to: { state: 'retired', share: null },
        by: 'worker',
        reason: {
          ...rolledBack(EVIDENCE),
          says:
            'rolled back: it disagrees with the upstream in 21 of 160 conversations, 13.1 % ' +
            '(8.0 % to 20.1 %); the limit is 5.0 %; evidence 365',
        },
        evidence: EVIDENCE,
        proof: { coverage: 0.6, agreementAnswered: 0.98, agreementAnsweredBound: 0.96 },
      },
    })
  })

  it('is sent for each change that an operator cares for, in order', async ({ told }) => {
    const { receiver } = told
    const sender = await told.start()
    await through(told, other('a'), [
      [{ name: 'training', arm: 0, stage: 0 }, 'worker'],
      [{ name: 'evaluating' }, 'worker'],
      [{ name: 'approval' }, 'worker'],
      [{ name: 'live', stage: stage(0) }, 'admin'],
      [{ name: 'live', stage: stage(0.05), evidence: EVIDENCE }, 'worker'],
      [{ name: 'live', stage: pausedStage(stage(0.05)) }, 'admin'],
      [{ name: 'live', stage: stage(0.05) }, 'admin'],
      [{ name: 'retired', reason: reasonOf('replaced', { by: 'b' }) }, 'admin'],
      [{ name: 'live', stage: stage(0.05) }, 'cli'],
      [{ name: 'retired', reason: saidBy(TEXT) }, 'cli'],
      [{ name: 'retired', reason: reasonOf('forgotten', {}) }, 'cli'],
    ])
    await through(told, other('c'), [[{ name: 'rejected', reason: WORSE }, 'worker']])
    await through(told, other('d'), [[{ name: 'failed', reason: saidBy(TEXT) }, 'worker']])
    await settle(sender)
    expect(receiver.types).toEqual([
      'internalization.approval',
      'rollout.promoted',
      'rollout.stage',
      'rollout.paused',
      'rollout.resumed',
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
      reason: {
        code: 'stage-entered',
        says: expect.stringMatching(/^it disagrees/) as string,
      },
      evidence: EVIDENCE,
    })
    const reasons = receiver.received.map(({ event }) => event.data.reason)
    expect(reasons.at(-2)).toEqual({
      code: 'slices-worse',
      figures: { slices: [{ slice: '…', agreement: 0.7, rows: 60, upstreamAgreement: 1 }] },
      says: expect.stringContaining('… agrees on 70.0 % of 60 rows') as string,
    })
    expect([reasons.at(-3), reasons.at(-1)]).toEqual([null, null])
    expect(new Set(receiver.ids).size).toBe(10)
    expect(JSON.stringify(receiver.received)).not.toContain(TEXT)
  })

  it('is one of the commands and the admin API, too', async ({ store, told }) => {
    const { receiver } = told
    const sender = await told.start()
    await told.live()
    await rollBack(store, 'version-1', saidBy(TEXT), { ...told.context('admin'), note: TEXT })
    await settle(sender)
    expect(JSON.stringify(receiver.received)).not.toContain(TEXT)
    expect(receiver.received.map(({ event }) => [event.type, event.data.by])).toEqual([
      ['internalization.approval', 'worker'],
      ['rollout.promoted', 'cli'],
      ['rollout.rolled_back', 'admin'],
    ])
    expect(told.logged.map(({ message }) => message)).toEqual(Array(3).fill('event delivered'))
  })
})

describe('drift', () => {
  it('is told once, also by the next worker, and again when it was seen anew', async ({
    store,
    told,
  }) => {
    const { receiver } = told
    const sender = await told.start()
    await told.live()
    await saveRolloutReport(store, ID, told.drifted(null))
    await settle(sender)
    expect(receiver.types).toHaveLength(2)
    await saveRolloutReport(store, ID, told.drifted(told.now))
    await settle(sender)
    await saveRolloutReport(store, ID, { ...told.drifted(told.now), waiting: 3 })
    await settle(sender)
    await settle(await told.start())
    expect(receiver.types.slice(2)).toEqual(['rollout.drift'])
    expect(receiver.received[2]!.event.data).toMatchObject({
      from: { state: 'live', share: 1 },
      reason: { code: 'loss-risen' },
      evidence: EVIDENCE,
    })
    told.now += DAY_MS
    await saveRolloutReport(store, ID, told.drifted(told.now))
    await settle(sender)
    expect(receiver.types.slice(2)).toEqual(['rollout.drift', 'rollout.drift'])
    expect(new Set(receiver.ids).size).toBe(4)
  })

  it('comes before the rollback that it led to', async ({ store, told }) => {
    const { receiver } = told
    const sender = await told.start()
    const row = await told.live()
    await saveRolloutReport(store, ID, told.drifted(told.now))
    await retire(store, row, rolledBack(EVIDENCE), told.context('worker'), { evidence: EVIDENCE })
    await settle(sender)
    expect(receiver.types.slice(2)).toEqual(['rollout.drift', 'rollout.rolled_back'])
  })

  it('is repeated after a failed attempt, with the same id', async ({ store, told }) => {
    const { receiver } = told
    const sender = await told.start()
    await told.live()
    await settle(sender)
    await saveRolloutReport(store, ID, told.drifted(told.now))
    receiver.answer = 500
    await settle(sender)
    receiver.answer = 200
    told.now += SECOND_MS
    await settle(sender)
    expect(receiver.types.slice(2)).toEqual(['rollout.drift', 'rollout.drift'])
    expect(new Set(receiver.ids.slice(2)).size).toBe(1)
  })
})

describe('a start', () => {
  it('for the first time sends nothing of the past', async ({ store, told }) => {
    const { receiver } = told
    await told.live()
    await saveRolloutReport(store, ID, told.drifted(told.now))
    const sender = await told.start()
    await settle(sender)
    expect(receiver.received).toEqual([])
    await rollBack(store, 'version-1', saidBy(TEXT), told.context('cli'))
    await settle(sender)
    expect(receiver.types).toEqual(['rollout.rolled_back'])
  })

  it('without a webhook sends nothing, and a later one begins at its own present', async ({
    told,
  }) => {
    const { receiver } = told
    await told.start()
    await told.approved()
    expect(await told.start({ webhook: null })).toBeNull()
    await settle(await told.start())
    expect(receiver.received).toEqual([])
  })

  it('goes on where the last worker stopped', async ({ store, told }) => {
    const { receiver } = told
    await told.start()
    await told.live()
    await settle(await told.start())
    await rollBack(store, 'version-1', saidBy(TEXT), told.context('cli'))
    await settle(await told.start())
    expect(receiver.types).toEqual([
      'internalization.approval',
      'rollout.promoted',
      'rollout.rolled_back',
    ])
  })

  it('repeats the event whose delivery was not saved before a crash', async ({ store, told }) => {
    const { receiver } = told
    const crashing = {
      ...store,
      snapshots: {
        ...store.snapshots,
        put: () => Promise.reject(new AppError('store-unavailable', 'the process died here')),
      },
    }
    await told.start()
    await told.live()
    await expect((await told.start({ store: crashing }))!.step(signal)).rejects.toThrow('died here')
    await settle(await told.start())
    const [first, second, third] = receiver.ids
    expect(second).toBe(first)
    expect(third).not.toBe(first)
    expect(receiver.received).toHaveLength(3)
    expect(receiver.received[1]!.body).toBe(receiver.received[0]!.body)
  })
})
