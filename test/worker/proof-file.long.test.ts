/** The proof file of what the worker decides holds, also after the log is gone. */
import { describe, expect, it } from 'vitest'
import { verifyProof } from '../../src/core/proof/verify-proof.ts'
import { QUICK_PROMISE } from '../kit/records/facts.ts'
import type { RolloutSettings } from '../../src/core/rollout/stages.ts'
import { proofFile } from '../../src/lifecycle/proof-file.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { useWorkerHarness, type WorkerHarness } from './harness.ts'
import { answerBody } from '../kit/records/completion.ts'
import { useWatchedRoute, type Watched } from './watched-route.ts'

const open = useWorkerHarness()
const watch = useWatchedRoute()

const STAGED: RolloutSettings = { ...AT_ONCE, stages: [0, 0.05, 1], auditShare: 0.03, steps: true }

const fileOf = async (harness: WorkerHarness) => {
  const file = await proofFile(harness.store, await harness.newest(), harness.now)
  return JSON.parse(JSON.stringify(file)) as typeof file
}

const expectToHold = async (harness: WorkerHarness) => {
  const file = await fileOf(harness)
  expect(verifyProof(file, QUICK_PROMISE).checks.filter(({ holds }) => !holds)).toEqual([])
  return file
}

const ofWatched = (watched: Watched) => expectToHold(watched.harness)

describe('the proof file of a verdict', () => {
  it('holds, and has the verdict that is stored', async () => {
    const harness = await open({ from: 'approval' })
    const { baseline: _baseline, ...verdict } = (await harness.newest()).verdict!
    const file = await expectToHold(harness)
    expect(file.verdict).toEqual(verdict)
    expect(file.rollout).toBeNull()
    expect(file.history.map(({ state }) => state)).toContain('evaluating')
  })

  it('holds after the records of it were deleted', async () => {
    const harness = await open({ from: 'approval' })
    const before = await fileOf(harness)
    await harness.store.records.forget({ tenant: 'tenant-a' })
    expect(await harness.store.records.list({ limit: 1 })).toEqual([])
    expect(await expectToHold(harness)).toEqual(before)
  })
})

describe('the proof file of a rollout', () => {
  it('holds after a rollback by feedback, also when some of it was taken back since', async () => {
    const watched = await watch({ ...STAGED, steps: false })
    const [ours, theirs] = [await watched.answer(20), await watched.audit(20)]
    for (const [i, record] of ours.entries()) {
      await watched.rate([record], 'bad')
      await watched.rate([theirs[i]!], 'good')
    }
    await watched.ended()
    const file = await ofWatched(watched)
    expect(file.rollout!.feedback.blocks).toHaveLength(20)
    expect(file.history.at(-1)!.feedback).toEqual(file.rollout!.report.feedback)
    const said = (name: string, { checks } = verifyProof(file, QUICK_PROMISE)) =>
      checks.find((check) => check.name === name)?.said
    expect(said('feedback for retired')).toContain('20 blocks of rated conversations give the same')
    await watched.rate(ours.slice(0, 3), null)
    const later = await ofWatched(watched)
    expect(said('newest feedback', verifyProof(later, QUICK_PROMISE))).toBe(
      'not computed: feedback was changed or deleted since'
    )
  })

  it('holds in every stage, and after ratings', async () => {
    const watched = await watch(STAGED)
    await ofWatched(watched)
    await watched.audit(30)
    const lost = await watched.audit(1, { response: answerBody('violet') })
    await watched.judged(31)
    await ofWatched(watched)
    await watched.audit(300)
    await watched.judged(331)
    await watched.harness.round(watched.worker)
    const file = await ofWatched(watched)
    expect(file.history.flatMap(({ stage }) => stage?.share ?? [])).toEqual([0, 0.05, 1])
    expect(file.rollout!.conversations).toHaveLength(331)
    await watched.harness.store.pairs.rate(lost[0]!, 'both', watched.harness.now)
    await watched.harness.round(watched.worker)
    const rated = await ofWatched(watched)
    expect(rated.rollout!.report.evidence.losses).toBe(0)
  })

  it('holds where fewer audits were made for a while, and has the pairs that count', async () => {
    const watched = await watch({ ...AT_ONCE, auditShare: 0.03 })
    await watched.audit(20, {}, 0.25)
    await watched.audit(200)
    await watched.judged(220)
    const { rollout } = await ofWatched(watched)
    const { report, conversations } = rollout!
    expect(report.outcomes.agreed).toBe(220)
    expect(conversations.length).toBeGreaterThan(20 + 25)
    expect(conversations.length).toBeLessThan(20 + 90)
    expect(report.evidence.pairs).toBe(conversations.length)
  })

  it('holds for a route that was rolled back', async () => {
    const watched = await watch({ ...AT_ONCE, auditShare: 0.03 })
    await watched.audit(40, { response: answerBody('violet') })
    await watched.ended()
    const file = await ofWatched(watched)
    expect(file.internalization.state).toBe('retired')
    const { checks } = verifyProof(file, QUICK_PROMISE)
    expect(checks.map(({ name }) => name)).toContain('evidence for retired')
  })
})
