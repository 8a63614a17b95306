/** Where an internalization stands, in the words that a person reads first. */
import { reasonOf, saidBy } from '../../../src/core/reason.ts'
import { describe, expect, it } from 'vitest'
import { sayApproval, sayLoss } from '../../../src/views/say-rollout.ts'
import { sayState, type Situation } from '../../../src/views/say-state.ts'
import { verdictLines } from '../../../src/views/say-verdict.ts'
import { decide } from '../../../src/core/gate/gate.ts'
import type {
  Internalization,
  InternalizationState,
} from '../../../src/core/internalization/internalization.ts'
import { lossRisen, rolledBack } from '../../../src/core/internalization/change-reason.ts'
import { exampleApproved, exampleInternalization } from '../../kit/records/examples.ts'
import { exampleEvidence, exampleReport, STAGED } from '../../kit/records/rollout.ts'
import { heldOutRow } from '../../kit/records/held-out-row.ts'

const linesOf = (row: Internalization): string[] => verdictLines(row, row.verdict!, 'gpt-4o-mini')

const said = (row: Internalization, changes: Partial<Situation> = {}) =>
  sayState({
    row,
    model: 'gpt-4o-mini',
    rollout: STAGED,
    report: null,
    progress: null,
    by: 'worker',
    ...changes,
  })

const inState = (state: InternalizationState): Internalization => exampleApproved('a', { state })

const PROVEN = decide({
  arms: [
    {
      arm: 'query-only',
      statistic: 'sum',
      rows: Array.from({ length: 1000 }, (_, i) =>
        heldOutRow(i, {
          agrees: i < 500 || i % 2 === 0,
          logprobSum: -i / 1000,
          logprobMin: -i / 1000,
        })
      ),
    },
  ],
  responseType: 'label',
  margin: 0.05,
  burstMs: 0,
})

describe('one that waits for approval', () => {
  it('says what it would answer; its proof the promise and what won; its form what follows', () => {
    const { plan } = exampleApproved()
    const row = exampleApproved('a', {
      verdict: PROVEN,
      plan: { ...plan!, arms: [plan!.arms[1]!] },
    })
    const { says } = said(row)
    expect(says).toHaveLength(1)
    expect(says[0]).toMatch(
      /^It would answer 5\d\.\d % of the requests without the prompt; of these at least 9[5-9]\.\d % agree with gpt-4o-mini \(9\d\.\d % were observed, on 5\d\d of 1,000 held-out requests\)\. gpt-4o-mini answers the rest\.$/
    )
    expect(linesOf(row)).toContain(
      'The promise is an agreement of at least 95.0 %: the margin is 5 points.'
    )
    expect(linesOf(row)).toContain(
      'It is a small model with a LoRA that was trained without the prompt from the beginning, on the base model base. All training took 1 min.'
    )
    expect(sayApproval(STAGED, 'gpt-4o-mini')).toBe(
      'After approval it is asked for 5 % of the requests. gpt-4o-mini answers the others, and both answers are compared. You approve the next stages when there is enough evidence: 25 %, then 100 %. If its answers break the promise, the route is rolled back automatically.'
    )
  })

  it('allows for an upstream that contradicts itself', () => {
    const { verdict } = exampleApproved()
    const row = exampleApproved('a', { verdict: { ...verdict!, upstreamAgreement: 0.98 } })
    expect(linesOf(row)).toContain(
      'gpt-4o-mini agrees with its own second answers in 98.0 % of the cases. The promise is an agreement at most 5 points lower: at least 93.0 %.'
    )
  })

  it('names another model of the upstreams, which is not trained', () => {
    const { plan } = exampleApproved()
    const model = { name: 'gpt-6-luna', hasLogprobs: false, id: 'model:gpt-6-luna:a' }
    const arm = { name: 'model:gpt-6-luna' as const, model, stages: [], results: [] }
    const [figures] = PROVEN.arms
    const verdict = { ...PROVEN, arm: 0, arms: [{ ...figures!, arm: arm.name }] }
    const row = exampleApproved('a', { verdict, plan: { ...plan!, arms: [arm] } })
    expect(linesOf(row)).toContain(
      'It is gpt-6-luna, another model of the upstreams, which reads the whole prompt.'
    )
    expect(said(row).says[0]).toMatch(/^It would answer .* of the requests in its place; of these/)
  })

  it('names the encoder of a label head, and how many competed', () => {
    const { plan } = exampleApproved()
    const [first, second] = plan!.arms
    const head = { ...second!, name: 'label-head' as const, encoder: 'minilm' }
    const row = exampleApproved('a', { plan: { ...plan!, arms: [first!, head] } })
    expect(linesOf(row).join('\n')).toMatch(
      /^Of 2 candidates that were trained, the winner is a label head.*on the sentence encoder minilm\. All training took 2 min\.$/m
    )
  })

  it.each<[string, Partial<typeof STAGED>, string]>([
    [
      'all of the traffic at once',
      { stages: [1] },
      'asked for 97 % of the requests. 3 % stay with gpt-4o-mini',
    ],
    ['nothing that is compared', { stages: [1], auditShare: 0 }, 'the route is not monitored'],
    ['a shadow stage', { stages: [0, 1] }, 'it answers nothing'],
    ['stages that open by themselves', { steps: true }, 'begin automatically'],
  ])('says what follows with %s', (_, changes, words) => {
    expect(sayApproval({ ...STAGED, ...changes }, 'gpt-4o-mini')).toContain(words)
  })
})

describe('a live one', () => {
  const stage = { share: 0.05, before: { pairs: 32, losses: 1, credits: 0 }, began: 0 }
  const live = inState({ name: 'live', stage })

  it('says what it does, and what the next stage needs', () => {
    const { says } = said(live, { report: exampleReport() })
    expect(says[0]).toContain('Now it is asked for 5 % of the requests.')
    expect(says[1]).toContain('The next stage, 25 %, needs evidence of 20; it is 2.2 now.')
  })

  it('says that a person can open the next stage, or that it opens by itself', () => {
    const report = exampleReport({ mayStep: true })
    expect(said(live, { report }).says[1]).toContain('you can approve it')
    const rollout = { ...STAGED, steps: true }
    expect(said(live, { report, rollout }).says[1]).toContain('it begins shortly')
  })

  it('says how it does, once answers were compared', () => {
    expect(sayLoss(exampleEvidence(), 'gpt-4o-mini')).toBe(
      'So far it disagrees with gpt-4o-mini in 4 of 160 conversations, 2.5 % (0.3 % to 8.2 %); the limit is 5.0 %.'
    )
    expect(sayLoss(null, 'gpt-4o-mini')).toBe('No answers were compared yet.')
  })

  it('warns of changed traffic', () => {
    const report = exampleReport({ driftedAt: 5, drift: lossRisen(exampleEvidence()) })
    expect(said(live, { report }).says[1]).toMatch(/^A warning: Its traffic has changed: .*\.$/)
  })

  it('that a person has paused says what happens meanwhile, and afterwards', () => {
    const paused = { ...stage, share: 0, isPaused: true as const, shareBefore: 0.05 }
    const { says } = said(inState({ name: 'live', stage: paused }))
    expect(says[0]).toContain('gpt-4o-mini answers everything, and both answers are still compared')
    expect(says[1]).toContain('When it is resumed, it is asked for 5 % of the requests.')
  })

  it('has no next stage in the last one', () => {
    const full = inState({ name: 'live', stage: { ...stage, share: 1 } })
    expect(said(full).says[1]).toContain('This is the last stage.')
  })
})

describe('one that is over', () => {
  it('by its own evidence needs a new proof', () => {
    const evidence = exampleEvidence({ losses: 40 })
    const { says, helps, reason } = said(
      inState({ name: 'retired', reason: rolledBack(evidence), evidence })
    )
    expect(says[0]).toMatch(/^Rolled back: .* 40 of 160 conversations/)
    expect(helps).toContain('cannot go live again')
    expect(reason).toBeNull()
  })

  it('by a successor says so', () => {
    const { says } = said(inState({ name: 'retired', reason: reasonOf('replaced', { by: 'b' }) }))
    expect(says).toEqual(['A newer internalization replaced it.'])
  })

  it('by a person can be approved again', () => {
    const { says, helps } = said(inState({ name: 'retired', reason: saidBy('x') }), {
      by: 'admin (Ada)',
    })
    expect(says).toEqual(['A person took it out of service.'])
    expect(helps).toContain('approved again')
  })

  it('by a fault shows its cause', () => {
    const OUT_OF_MEMORY = reasonOf('error', { code: 'internal', message: 'out of memory' })
    const { reason, helps } = said(inState({ name: 'failed', reason: OUT_OF_MEMORY }))
    expect(reason).toBe('out of memory')
    expect(helps).toContain('internalize again')
  })

  it('by the gate says why and what helps', () => {
    const verdict = decide({ arms: [], responseType: 'label', margin: 0.05, burstMs: 0 })
    const row = exampleApproved('a', {
      verdict,
      state: { name: 'rejected', reason: verdict.reason },
    })
    const { says, helps, reason } = said(row)
    expect(reason).toBeNull()
    expect(says[0]).toBe('No held-out row was answered.')
    expect(helps).not.toBeNull()
  })
})

describe('one that was rejected by a person', () => {
  it('says the reason in that person’s words', () => {
    const row = exampleInternalization('a', {
      state: { name: 'rejected', reason: saidBy('not now') },
    })
    expect(said(row, { by: 'admin (Ada)' })).toMatchObject({ reason: 'not now' })
  })
})

describe('one in work', () => {
  it.each([
    [{ name: 'candidate' as const }, 'when the engine is free'],
    [
      { name: 'candidate' as const, successor: { of: 'x', why: 'drifted' as const, since: 1 } },
      'It follows x, which has drifted',
    ],
    [{ name: 'candidate' as const, retry: { of: 'x' } }, 'as much new traffic as it was made from'],
    [
      { name: 'candidate' as const, retry: { of: 'x', since: 1 } },
      'with the traffic since the upstream changed',
    ],
  ])('says what it waits for: %j', (state, words) => {
    const { says } = said(exampleInternalization('a', { state }))
    expect(says.join(' ')).toContain(words)
  })

  it('says how far its training is, by figures of the present stage only', () => {
    const row = inState({ name: 'training', arm: 1, stage: 0 })
    const metrics = { step: 40, total_steps: 1_200, eta_seconds: 330 }
    const job = { jobId: 'job-1', status: 'running', message: null } as const
    const progress = { arm: 1, stage: 0, ...job, metrics, at: 1 }
    expect(said(row, { progress }).says).toEqual([
      'Candidate 2 of 2, stage 1 of 1: a small model with a LoRA that was trained without the prompt from the beginning.',
      'Step 40 of 1,200; about 6 min to go in this stage.',
    ])
    expect(said(row, { progress: { ...progress, arm: 0 } }).says).toHaveLength(1)
    expect(said(row, { progress: { ...progress, metrics: null } }).says).toHaveLength(1)
  })

  it('says that it is tested', () => {
    expect(said(inState({ name: 'evaluating' })).says[0]).toContain('held-out requests')
  })
})
