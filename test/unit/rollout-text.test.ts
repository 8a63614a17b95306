/** A rollout on the terminal: what a person reads, and a line for each change. */
import { describe, expect, it } from 'vitest'
import {
  rolloutLine,
  rolloutText,
  timedLine,
  type ShownRollout,
} from '../../src/cli/rollout/rollout-text.ts'
import { stateText } from '../../src/cli/state-text.ts'
import { reasonOf, saidBy } from '../../src/core/reason.ts'
import { capitalText } from '../../src/core/rollout/evidence-text.ts'
import type { RolloutReport } from '../../src/lifecycle/rollout-report.ts'
import { exampleApproved } from '../kit/records/examples.ts'
import {
  exampleEvidence,
  exampleReport,
  noFeedback,
  STAGED,
  stageOf,
} from '../kit/records/rollout.ts'

const AT = Date.UTC(2026, 10, 28, 10, 0, 5)

const viewOf = (
  report: RolloutReport | null,
  changes: Partial<ShownRollout['view']> = {}
): ShownRollout['view'] => ({
  ...exampleApproved('internalization-1'),
  state: { name: 'live', stage: report?.stage ?? stageOf(0.05) },
  says: null,
  helps: null,
  result: null,
  holdout: null,
  earlierTries: null,
  history: [],
  progress: null,
  evaluatedRows: 0,
  rollout: report,
  coverageSteps: [],
  feedback: null,
  judge: null,
  ...changes,
})

const textOf = (view: ShownRollout['view'], settings = STAGED): string =>
  rolloutText({
    view,
    shown: { id: '01234567', title: '01234567 (card intents)' },
    model: 'gpt-4o-mini',
    settings,
  })

describe('a rollout on the terminal', () => {
  it('has the sentences of the page, its figures and its tables', () => {
    const text = textOf(viewOf(exampleReport()))
    expect(text).toMatch(/^template +lora +state\n01234567 \(card intents\) .* live, canary 5 %\n/)
    for (const part of [
      'Now it is asked for 5 % of the requests.',
      'The next stage, 25 %, needs evidence of 20; it is 2.2 now.',
      'So far it disagrees with gpt-4o-mini in 4 of 160 conversations, 2.5 % (0.3 % to 8.2 %); the limit is 5.0 %.',
      "8.0 % of 205 rated conversations of the lora's side are bad, 4.1 % of 3,811 audited ones: +3.9 points (-4.1 to +11.9)",
    ])
      expect(text).toContain(part)
    for (const row of [
      /^Evidence for a rollback +0\.0536 +decides at 300$/m,
      /^Evidence for the next stage +2\.2 +decides at 20$/m,
      /^Sure enough to answer +61\.2 % +next 63\.0 %: evidence 3\.1 of 20$/m,
      /^Audits that wait +3 +for the small model’s answer$/m,
      /^disagrees +4$/m,
    ])
      expect(text).toMatch(row)
    expect(text).not.toContain('promptintern promote')
  })

  it('says what the answered share has gained and lost since the proof', () => {
    const step = { at: AT, threshold: -0.5, share: 0.05, capital: null, why: '' }
    const coverageSteps: ShownRollout['view']['coverageSteps'] = [
      { ...step, cause: 'proof', coverage: 0.562, before: null },
      { ...step, cause: 'border', coverage: 0.613, before: 0.562 },
      { ...step, cause: 'withheld', coverage: 0.6, before: 0.613 },
    ]
    expect(textOf(viewOf(exampleReport(), { coverageSteps }))).toContain(
      'Since the proof: +5.1 points by wider borders, -1.3 points by withheld answers.'
    )
  })

  it('has the command for the next stage once the evidence is there, unless it begins by itself', () => {
    const ready = viewOf(exampleReport({ mayStep: true }))
    expect(textOf(ready)).toContain('for canary 25 %, run: promptintern promote 01234567')
    const alone = textOf(ready, { ...STAGED, steps: true })
    expect(alone).toContain('it begins shortly')
    expect(alone).not.toContain('promptintern promote')
  })

  it('counts the evidence for a step anew as soon as a stage has begun', () => {
    const before = exampleReport({ mayStep: true })
    const state = {
      name: 'live',
      stage: { share: 0.25, before: before.evidence, began: 0 },
    } as const
    expect(textOf(viewOf(before, { state }))).toContain(
      'The next stage, 100 %, needs evidence of 20; it is 1 now'
    )
  })

  it('shows credits beside the losses, and a mean below 0', () => {
    const evidence = exampleEvidence({ losses: 4, credits: 12, interval: [-0.12, 0.02], least: -1 })
    expect(textOf(viewOf(exampleReport({ evidence })))).toContain(
      '4 − 12 of 160 conversations, -5.0 % (-12.0 % to 2.0 %)'
    )
  })

  it('has no step in the last stage', () => {
    const text = textOf(viewOf(exampleReport({ stage: stageOf(1) })))
    expect(text).not.toContain('Evidence for the next stage')
    expect(text).toContain('This is the last stage.')
  })

  it.each([
    [{ lora: 0, audit: 0 }, 'users have rated no conversation yet'],
    [{ lora: 0, audit: 7 }, "not enough yet: no conversation of the lora's side is rated"],
  ])('says where users have rated one side alone, or nothing: %j', (conversations, words) => {
    expect(textOf(viewOf(exampleReport({ feedback: noFeedback(conversations) })))).toContain(words)
  })

  it('names the reason after the end', () => {
    const state = { name: 'retired', reason: saidBy('the labels change') } as const
    expect(textOf(viewOf(exampleReport(), { state }))).toContain('\nthe labels change\n')
  })

  it('is short before the worker has made figures', () => {
    expect(textOf(viewOf(null))).toMatch(
      /\n\nno figures yet; the worker computes them while the proxy runs$/
    )
  })
})

describe('what has changed', () => {
  const CHANGED = exampleReport({
    driftedAt: AT,
    drift: reasonOf('questions-changed', {
      indicator: 'fallbacks',
      seen: 31,
      requests: 100,
      share: 0.22,
      bound: 0.251,
      evidence: 7.3,
    }),
    deprecatedOn: '2027-01-31',
    indicators: [
      {
        indicator: 'fallbacks',
        requests: 400,
        seen: 124,
        share: 0.22,
        bound: 0.251,
        evidence: Math.log(1_500),
      },
    ],
    upstreamVersions: ['a', 'b'].map((name, index) => ({
      name: `model-${name} fp_1`,
      pairs: 40 * index,
      losses: index,
      credits: 0,
      from: AT + index * 60_000,
      to: AT + index * 60_000,
    })),
  })

  it('is named, with the questions of now and of the proof, and the models', () => {
    const text = textOf(viewOf(CHANGED))
    for (const part of [
      'A warning: Its questions have changed: 31.0 % of 100 audited requests would go to the upstream',
      'The provider retires the upstream’s model on 2027-01-31.',
      'requests that it would not answer',
      'has risen',
      'model-b fp_1',
    ])
      expect(text).toContain(part)
  })

  it('and what the stage waits for stand beside the state in lists', () => {
    const until = Date.UTC(2026, 10, 30, 10, 4)
    const waitsFor = [reasonOf('stage-too-young', { until })]
    const { state, rollout } = viewOf(exampleReport({ waitsFor, driftedAt: AT }))
    expect(stateText(state, rollout, STAGED)).toBe(
      'live, canary 5 %; waits until 2026-11-30 10:04 UTC; drift since 2026-11-28 10:00; bad ratings +3.9 points (-4.1 to +11.9)'
    )
  })
})

describe('a capital', () => {
  it.each([
    [0, '1'],
    [Math.log(3.14159), '3.14'],
    [Math.log(312.4), '312'],
    [Math.log(0.054), '0.054'],
    [-1_000, 'under 0.01'],
    [Math.log(2.59e6), '2.5e+6'],
    [1_000, '1.9e+434'],
  ])('of %d is %s', (logarithm, text) => {
    expect(capitalText(logarithm)).toBe(text)
  })
})

describe('the line of a change', () => {
  it('has the evidence for the next stage while there is one', () => {
    expect(timedLine(viewOf(exampleReport()), STAGED, AT)).toBe(
      '2026-11-28 10:00 canary 5 % pairs 160 loss 2.5 % rollback 0.05 step 2.2'
    )
  })

  it('has the drift in the last stage, and where there is one', () => {
    const full = exampleReport({ stage: stageOf(1) })
    expect(rolloutLine(viewOf(full), STAGED)).toBe(
      'full pairs 160 loss 2.5 % rollback 0.05 drift 9.2'
    )
    const drifted = exampleReport({ driftedAt: AT })
    expect(rolloutLine(viewOf(drifted), STAGED)).toBe(
      'canary 5 % pairs 160 loss 2.5 % rollback 0.05 drift 9.2'
    )
  })

  it('names the end with its reason, and a beginning without figures', () => {
    const state = {
      name: 'retired',
      reason: reasonOf('replaced', { by: 'internalization-2' }),
    } as const
    expect(rolloutLine(viewOf(exampleReport(), { state }), STAGED)).toBe(
      'retired: replaced by internalization-2'
    )
    expect(rolloutLine(viewOf(null), STAGED)).toBe('canary 5 % no figures yet')
  })
})
