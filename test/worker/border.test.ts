/** A live route answers more of its requests once pairs have proved a wider border. */
import { saidBy } from '../../src/core/reason.ts'
import { describe, expect, it } from 'vitest'
import { borderOf, rolloutStageOf } from '../../src/core/internalization/internalization.ts'
import type { Border } from '../../src/core/rollout/border.ts'
import type { RolloutSettings } from '../../src/core/rollout/stages.ts'
import { pause, resume } from '../../src/lifecycle/pause.ts'
import { goLive, retire } from '../../src/lifecycle/promote.ts'
import { proofFile } from '../../src/lifecycle/proof-file.ts'
import { changeText } from '../../src/lifecycle/rollout-report.ts'
import { eventTypeOf } from '../../src/worker/webhook/event.ts'
import { verifyProof } from '../../src/core/proof/verify-proof.ts'
import type { ProofFile } from '../../src/core/proof/proof-file.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { QUICK_PROMISE } from '../kit/records/facts.ts'
import { answerBody } from '../kit/records/completion.ts'
import { useWatchedRoute, type Watched } from './watched-route.ts'

const open = useWatchedRoute()

const CANARY: RolloutSettings = { ...AT_ONCE, stages: [0.05, 1], auditShare: 0.03 }
/** The fake lora is as sure of three in five of its answers, and of the others at 0. */
const CONFIDENCE = -0.3566749439387323
/** So it is sure enough of two in five. */
const NARROW = { threshold: -0.1, wider: [-0.2, -0.5, -0.9] }

/** It answers all, and may answer two in five alone. */
const WIDE = { threshold: -0.5, narrower: [-0.1], wider: [] }

const widened = (watched: Watched): Promise<void> =>
  watched.harness.runUntil(watched.worker, async () => borderOf(await watched.state()) !== null)

/** What a person needs to decide on the route. */
const byHand = ({ harness: { store, now }, id }: Watched) => ({
  context: { by: 'admin', now, rollout: CANARY },
  row: async () => (await store.internalizations.get(id))!,
})

const checksOf = (file: ProofFile) =>
  verifyProof(JSON.parse(JSON.stringify(file)), QUICK_PROMISE).checks.filter(({ name }) =>
    name.startsWith('border')
  )

/** The route's borders are none of its verdict. */
const faultsOf = (file: ProofFile) =>
  verifyProof(JSON.parse(JSON.stringify(file)), QUICK_PROMISE).checks.filter(
    ({ name, holds }) => !holds && name !== 'verdict'
  )

const fileOf = async ({ harness, id }: Watched): Promise<ProofFile> =>
  proofFile(harness.store, (await harness.store.internalizations.get(id))!, harness.now)

describe('a live route', () => {
  it('has the drafts that it was not sure enough of as pairs', async () => {
    const watched = await open(CANARY, {}, NARROW)
    await watched.audit(52)
    await watched.audit(8, { response: answerBody('violet') })
    await watched.judged(60)
    const { outcomes, border } = await watched.report()
    const drafts = (await watched.pairs()).filter(({ outcome }) => outcome.startsWith('draft'))
    expect(outcomes.fallback).toBe(0)
    expect(outcomes.agreed + outcomes['draft-agreed']).toBe(52)
    expect(outcomes['draft-agreed'] + outcomes['draft-disagreed']).toBe(drafts.length)
    expect(outcomes['draft-disagreed']).toBeGreaterThan(1)
    for (const pair of drafts)
      expect(pair).toMatchObject({
        confidence: CONFIDENCE,
        reason: 'low-confidence',
        upstreamAnswer: null,
        costUsd: null,
      })
    const coverage = (60 - drafts.length) / 60
    expect(border).toMatchObject({ present: 0, widest: 3, coverage })
    expect(border!.next).toMatchObject({ threshold: -0.2, coverage })
  })

  it('answers from a wider border on, once pairs have proved each before it', async () => {
    const watched = await open(CANARY, {}, NARROW)
    expect(await watched.routes()).toMatchObject([{ threshold: -0.1 }])
    await watched.audit(240)
    await widened(watched)
    expect(await watched.state()).toMatchObject({
      stage: { share: 0.05, before: { pairs: 0 } },
      border: { threshold: -0.9, evidence: { losses: 0, margin: 0.05 } },
    })
    const state = await watched.state()
    const { evidence } = borderOf(state)!
    expect(state).toMatchObject({
      coverage: { audited: evidence.pairs, before: evidence.answered, after: evidence.pairs },
    })
    expect(evidence.capital).toBeGreaterThanOrEqual(Math.log(20))
    expect(evidence.answered + evidence.drafts).toBe(evidence.pairs)
    expect(evidence.drafts).toBeGreaterThan(50)
    expect(await watched.routes()).toMatchObject([{ threshold: -0.9, trafficShare: 0.05 }])
    expect(watched.events('rollout.border')).toMatchObject([{ threshold: -0.9 }])
    // from now on they are answers
    await watched.audit(20)
    await watched.judged(260)
    expect((await watched.report()).outcomes.agreed).toBeGreaterThanOrEqual(20)
    expect((await watched.report()).border).toMatchObject({ present: 3, next: null, coverage: 1 })
  })

  it('stays where drafts disagree too often', async () => {
    const watched = await open(CANARY, {}, NARROW)
    for (let round = 0; round < 24; round++) {
      await watched.audit(9)
      await watched.audit(1, { response: answerBody('violet') })
    }
    await watched.judged(240)
    expect(borderOf(await watched.state())).toBeNull()
    expect((await watched.report()).border!.next!.evidence.capital).toBeLessThan(0)
  })

  it('keeps its border through a pause and a stage, and through a restart of the worker', async () => {
    const watched = await open(CANARY, {}, NARROW)
    await watched.audit(240)
    await widened(watched)
    const { store } = watched.harness
    const { context, row } = byHand(watched)
    await resume(store, await pause(store, await row(), context), context)
    expect(borderOf((await row()).state)).toMatchObject({ threshold: -0.9 })
    const worker = await watched.harness.worker(
      watched.harness.deps({ rollout: { ...CANARY, steps: true } })
    )
    await watched.audit(200)
    await watched.harness.runUntil(
      worker,
      async () => rolloutStageOf(await watched.state())!.share === 1
    )
    expect(await watched.state()).toMatchObject({ border: { threshold: -0.9 } })
    // of the move alone
    expect(await watched.state()).not.toHaveProperty('coverage')
    expect(await watched.routes()).toMatchObject([{ threshold: -0.9, trafficShare: 0.97 }])
  })
})

/** Of the orders that the lora is not sure of, the upstream now calls every fifth one otherwise. */
const gotWorse = async (watched: Watched): Promise<void> => {
  await watched.audit(120)
  await watched.judged(120)
  const unsure = (await watched.pairs()).filter(({ confidence }) => confidence! < -0.1)
  const orders = new Set(unsure.map(({ recordId }) => Number(recordId!.split('-')[1]) % 60))
  const changed = new Set([...orders].filter((_, i) => i % 5 === 0))
  for (let round = 0; round < 6; round++)
    for (let number = 0; number < 60; number++)
      await watched.audit(1, changed.has(number) ? { response: answerBody('violet') } : {})
}

const hasMoved = async (watched: Watched): Promise<boolean> => {
  const state = await watched.state()
  return state.name !== 'live' || borderOf(state) !== null
}

const narrowed = async (watched: Watched): Promise<void> => {
  await gotWorse(watched)
  await watched.harness.runUntil(watched.worker, () => hasMoved(watched))
}

describe('a live route whose loss has risen', () => {
  it('answers only what pairs prove since then, and is watched as before', async () => {
    const watched = await open(CANARY, {}, WIDE)
    await narrowed(watched)
    const state = await watched.state()
    expect(state).toMatchObject({
      name: 'live',
      stage: { share: 0.05 },
      border: { threshold: -0.1, evidence: { losses: 0 }, narrowing: { before: 100 } },
    })
    const { evidence, narrowing } = borderOf(state)!
    expect(evidence.capital).toBeGreaterThanOrEqual(Math.log(20))
    expect(narrowing!.rise).toBeGreaterThanOrEqual(Math.log(300))
    expect(await watched.routes()).toMatchObject([{ threshold: -0.1, trafficShare: 0.05 }])
    expect(watched.events('rollout.narrowed')).toMatchObject([{ threshold: -0.1 }])
    expect(watched.events('rollout.rolled_back')).toEqual([])
    const entry = (await watched.harness.store.internalizations.history(watched.id)).at(-1)!
    expect(eventTypeOf(entry)).toBe('rollout.narrowed')
    expect(changeText(entry)).toMatch(/^answers only from a confidence of -0.100 on: .* worse/)

    // what is below the border does not count any more, and is not proved again
    await watched.judged(480)
    const before = await watched.report()
    expect(before.evidence).toMatchObject({ losses: 0, stagePairs: expect.any(Number) as number })
    expect(before.border).toMatchObject({ present: 0, widest: 0, next: null })
    expect(before.drift).not.toBeNull()
    await watched.audit(60)
    await watched.judged(540)
    const after = await watched.report()
    expect(after.evidence.pairs).toBeGreaterThan(before.evidence.pairs)
    expect(after.evidence.losses).toBe(0)
    expect(after.evidence.stagePairs).toBeGreaterThan(0)
  })

  it('is rolled back where the narrower border gets worse, too', async () => {
    const watched = await open(CANARY, {}, WIDE)
    await narrowed(watched)
    await watched.audit(200, { response: answerBody('violet') })
    await watched.ended()
    expect(await watched.state()).toMatchObject({ name: 'retired' })
    expect(await watched.routes()).toEqual([])
    expect(faultsOf(await fileOf(watched))).toEqual([])
  })

  it('is rolled back where no border was proved that is narrower', async () => {
    const watched = await open(CANARY, {}, { ...WIDE, narrower: [] })
    await narrowed(watched)
    expect(await watched.state()).toMatchObject({ name: 'retired' })
  })

  it('enters its next stage by pairs of the narrower border', async () => {
    const watched = await open(CANARY, {}, WIDE)
    await narrowed(watched)
    const rollout = { ...CANARY, steps: true }
    const worker = await watched.harness.worker(watched.harness.deps({ rollout }, { auto: false }))
    await watched.audit(300)
    await watched.harness.runUntil(
      worker,
      async () => rolloutStageOf(await watched.state())?.share === 1
    )
    expect(await watched.state()).toMatchObject({ border: { threshold: -0.1 } })
    await watched.harness.round(worker)
    expect(faultsOf(await fileOf(watched))).toEqual([])
  })
})

describe('the proof file of a route whose border moved', () => {
  it('computes the border again', async () => {
    const watched = await open(CANARY, {}, NARROW)
    await watched.audit(240)
    await widened(watched)
    await watched.harness.round(watched.worker)
    const file = await fileOf(watched)
    expect(checksOf(file)).toMatchObject([{ name: 'border -0.900', holds: true }])
    const step = file.history.find(({ border }) => border != null)!
    const tampered: [string, ProofFile][] = [
      [
        'pairs give other figures',
        {
          ...file,
          rollout: {
            ...file.rollout!,
            drafts: file.rollout!.drafts!.map((draft, i) => ({ ...draft, agrees: i > 3 })),
          },
        },
      ],
      ['does not have its pairs', { ...file, rollout: { ...file.rollout!, drafts: [] } }],
      [
        'none of the wider borders',
        {
          ...file,
          history: file.history.map((each) =>
            each.border != null ? { ...each, border: { ...step.border!, threshold: -0.7 } } : each
          ),
        },
      ],
      [
        'moved by admin',
        {
          ...file,
          history: file.history.map((each) => (each === step ? { ...each, by: 'admin' } : each)),
        },
      ],
    ]
    for (const [fault, changed] of tampered)
      expect(checksOf(changed)).toMatchObject([
        { holds: false, said: expect.stringContaining(fault) as string },
      ])
  })

  it('computes a narrower border again', async () => {
    const watched = await open(CANARY, {}, WIDE)
    await narrowed(watched)
    await watched.judged(480)
    const file = await fileOf(watched)
    expect(checksOf(file)).toMatchObject([{ name: 'border -0.100', holds: true }])
    const withBorder = (changed: Partial<Border>): ProofFile => ({
      ...file,
      history: file.history.map((each) =>
        each.border == null ? each : { ...each, border: { ...each.border, ...changed } }
      ),
    })
    const step = file.history.find(({ border }) => border != null)!
    const { evidence, narrowing } = step.border!
    // a pair with confidence enough, rated since: it counts where it changes nothing, and else is not computed
    const rated = (rating: 'both' | 'upstream', ratedAt: number): ProofFile => {
      const { conversations, ...rollout } = file.rollout!
      const place = conversations.findIndex(([pair], i) => i > 120 && pair!.confidence! > -0.1)
      const loss = rating === 'upstream' ? 1 : 0
      const pair = { ...conversations[place]![0]!, rating, ratedAt, loss }
      return { ...file, rollout: { ...rollout, conversations: conversations.with(place, [pair]) } }
    }
    const saidOf = (changed: ProofFile) => checksOf(changed).map(({ holds, said }) => [holds, said])
    expect(saidOf(rated('both', step.at + 1))).toEqual([
      [true, expect.stringContaining('prove it')],
    ])
    expect(saidOf(rated('upstream', step.at - 1))).toEqual([
      [true, expect.stringContaining('not computed')],
    ])
    expect(saidOf(rated('upstream', step.at - 700_000))).toEqual([
      [false, expect.stringContaining('other figures')],
    ])
    const tampered: [string, ProofFile][] = [
      ['none of the borders of the verdict', withBorder({ threshold: -0.2 })],
      ['other figures: narrowing', withBorder({ narrowing: { ...narrowing!, before: 0 } })],
      ['other figures: evidence', withBorder({ evidence: { ...evidence, losses: 1 } })],
      ['does not have its pairs', withBorder({ evidence: { ...evidence, answered: 9_999 } })],
    ]
    for (const [fault, changed] of tampered)
      expect(checksOf(changed)).toMatchObject([
        { holds: false, said: expect.stringContaining(fault) as string },
      ])
  })

  it('holds after a rating was taken back that the border was made with', async () => {
    const watched = await open(CANARY, {}, WIDE)
    const { harness } = watched
    await watched.audit(60)
    await watched.judged(60)
    const [pair] = await watched.pairs()
    await harness.store.pairs.rate(pair!.recordId!, 'upstream', harness.now)
    await narrowed(watched)
    harness.now += 3_600_000
    await harness.store.pairs.rate(pair!.recordId!, null, harness.now)
    await harness.round(watched.worker)
    const file = await fileOf(watched)
    expect(faultsOf(file)).toEqual([])
    expect(checksOf(file)).toMatchObject([
      { holds: true, said: expect.stringContaining('not computed') },
    ])
  })

  it('holds after a person took the route back, and its pairs proved the border again', async () => {
    const watched = await open(CANARY, {}, NARROW)
    await watched.audit(240)
    await widened(watched)
    const { store } = watched.harness
    const { context, row } = byHand(watched)
    await retire(store, await row(), saidBy('by hand'), context)
    await goLive(store, await row(), context)
    expect(borderOf((await row()).state)).toBeNull()
    await widened(watched)
    await watched.harness.round(watched.worker)
    expect(checksOf(await fileOf(watched)).map(({ holds }) => holds)).toEqual([true, true])
  })
})
