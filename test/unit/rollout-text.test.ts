/** The picture of a rollout, and its lines: exact texts, and none wider than 80 columns. */
import { reasonOf, saidBy } from '../../src/core/reason.ts'
import { capitalText } from '../../src/core/rollout/evidence-text.ts'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evidenceBar, lossPicture } from '../../src/cli/rollout/bars.ts'
import type { OutcomeFigures } from '../../src/core/outcomes/outcome-figures.ts'
import { rolloutLine, rolloutText, timedLine } from '../../src/cli/rollout/rollout-text.ts'
import { stateText } from '../../src/cli/state-text.ts'
import type { RolloutView } from '../../src/cli/rollout/rollout-view.ts'
import { NO_STREAM } from '../../src/core/rollout/evidence.ts'
import { evidenceFigures } from '../../src/core/rollout/stages.ts'
import { rolloutProgress, type RolloutReport } from '../../src/lifecycle/rollout-report.ts'
import { exampleEvidence, exampleReport, noFeedback, stageOf } from '../kit/records/rollout.ts'

const AT = Date.UTC(2026, 10, 28, 10, 0, 5)
const TEMPLATE = '0123456789abcdef'.repeat(2)
const STAGES = [0, 0.05, 0.25, 1]

const viewOf = (report: RolloutReport | null, changes: Partial<RolloutView> = {}): RolloutView => {
  const state = changes.state ?? {
    name: 'live',
    stage: report?.stage ?? stageOf(0),
  }
  return {
    internalization: 'internalization-1',
    shown: { id: '01234567', name: 'card intents', title: '01234567 (card intents)' },
    template: TEMPLATE,
    lora: 'lora-abc',
    state,
    stages: ['shadow', 'canary 5 %', 'canary 25 %', 'full'],
    steps: false,
    report,
    progress: rolloutProgress({ state }, report, { stages: STAGES }),
    coverageSteps: [],
    ...changes,
  }
}

const FULL = stageOf(1)

const textOfUsers = (conversations: OutcomeFigures['conversations']) =>
  rolloutText(viewOf(exampleReport({ feedback: noFeedback(conversations) })), 80)

describe('the picture of a rollout', () => {
  it('has the stages, the loss with its bounds, and the evidence', () => {
    expect(rolloutText(viewOf(exampleReport()), 80)).toBe(
      `
template    01234567 (card intents)
lora        lora-abc
stage       shadow → [canary 5 %] → canary 25 % → full
next        canary 25 % at evidence 20, now 2.2 after 128 conversations
audits      152 agreed, 4 disagreed, 4 upstream-differs, 71 fallback, 2
            unusable, 3 waiting, 0 dropped
answers     61.2 % of the audited requests; 63.0 % at evidence 20, now 3.1 after
            221 requests
cost today  0.012 USD for audits of all templates; the limit is 1.00 USD a day

loss        4 of 160 conversations, 2.5 % (0.3 % to 8.2 %)
            |[======o================].....| 0 to 10.0 %
                        p   m                proved 3.9 %, margin 5.0 %

rollback    ▕░░░░░░░░░░░░░░░░░░░░░░░| 0.0536 of 300
step        ▕██████░░░░░░░░░░░░░░░░░| 2.2 of 20
drift       ▕████████░░░░░░░░░░░░░░░| 9.2 of 300

users       8.0 % of 205 rated conversations of the lora's side are bad, 4.1 %
            of 3,811 audited ones: +3.9 points (-4.1 to +11.9)
            about 340,000 more rated conversations are needed to detect a
            difference of 1 point
            ▕░░░░░░░░░░░░░░░░░░░░░░░| 0.3 of 300
`.trim()
    )
  })

  it('says what the answered share has gained and lost since the proof', () => {
    const step = { at: AT, threshold: -0.5, share: 0.05, capital: null, why: '' }
    const coverageSteps: RolloutView['coverageSteps'] = [
      { ...step, cause: 'proof', coverage: 0.562, before: null },
      { ...step, cause: 'border', coverage: 0.613, before: 0.562 },
      { ...step, cause: 'withheld', coverage: 0.6, before: 0.613 },
    ]
    expect(rolloutText(viewOf(exampleReport(), { coverageSteps }), 80)).toContain(
      `
changes     since the proof +5.1 points by wider borders, -1.3 points by
            withheld answers
`
    )
    const { state, progress } = viewOf(null)
    expect(stateText(state, { progress, report: null, coverageSteps })).toBe(
      'live, shadow; +5.1 points by wider borders, -1.3 points by withheld answers'
    )
  })

  it('says what to do when the evidence for the next stage is there', () => {
    const ready = exampleReport({ mayStep: true })
    expect(rolloutText(viewOf(ready), 80)).toContain(
      `next        canary 25 %: promptintern promote 01234567\n`
    )
    expect(rolloutText(viewOf(ready, { steps: true }), 80)).toContain(
      'canary 25 %, begins shortly\n'
    )
  })

  it('says what else the stage waits for, and that fewer audits are made', () => {
    const until = Date.UTC(2026, 10, 30, 10, 4)
    const WAITS = [
      reasonOf('stage-too-young', { until }),
      reasonOf('part-of-day-missing', { part: 1, pairs: 0, needed: 3 }),
    ]
    const waitsFor = ['waits until 2026-11-30 10:04 UTC', 'no pair yet between 04:00 and 08:00 UTC']
    const text = rolloutText(viewOf(exampleReport({ waitsFor: WAITS, auditPart: 0.25 })), 200)
    expect(text).toContain(`after 128 conversations; ${waitsFor.join('; ')}\n`)
    expect(text).toMatch(/3\s+waiting, 0 dropped; 25\.0 %\s+of the audits are carried\s+out\n/)
  })

  it('shows credits beside the losses, and a mean below 0', () => {
    const evidence = exampleEvidence({ losses: 4, credits: 12, interval: [-0.12, 0.02], least: -1 })
    const text = rolloutText(viewOf(exampleReport({ evidence })), 80)
    expect(text).toContain('loss        4 − 12 of 160 conversations, -5.0 % (-12.0 % to 2.0 %)\n')
    expect(text).toContain('            |o')
  })

  it('counts the evidence for a step anew as soon as a stage has begun', () => {
    const before = exampleReport({ mayStep: true })
    const state = {
      name: 'live',
      stage: { share: 0.25, before: before.evidence, began: 0 },
    } as const
    expect(rolloutText(viewOf(before, { state }), 80)).toContain(
      'next        full at evidence 20, now 1 after 0 conversations\n'
    )
  })

  it('has no step in the last stage, and the time since when the traffic drifts', () => {
    const text = rolloutText(viewOf(exampleReport({ stage: FULL, driftedAt: AT })), 80)
    expect(text).not.toContain('\nstep')
    expect(text).toContain('next        none; rolled back at evidence 300\n')
    expect(text).toMatch(/\ndrift .* of 300, since 2026-11-28 10:00\n/)
  })

  it('says where users have rated one side alone, or nothing', () => {
    expect(textOfUsers({ lora: 0, audit: 0 })).toContain(
      '\nusers       users have rated no conversation yet'
    )
    expect(textOfUsers({ lora: 0, audit: 7 })).toContain(
      "\nusers       not enough yet: no conversation of the lora's side is rated"
    )
  })

  it('names the reason after the end', () => {
    const state = { name: 'retired', reason: saidBy('rolled back: it disagrees') } as const
    expect(rolloutText(viewOf(exampleReport(), { state }), 80)).toContain(
      'stage       shadow → canary 5 % → canary 25 % → full\nnext        retired: rolled back: it disagrees\n'
    )
  })

  it('is short before the worker has made figures and where there is no traffic yet', () => {
    expect(rolloutText(viewOf(null), 80)).toBe(
      `
template    01234567 (card intents)
lora        lora-abc
stage       [shadow] → canary 5 % → canary 25 % → full
next        no figures yet; the worker computes them while the proxy runs
`.trim()
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
      {
        indicator: 'new-labels',
        requests: 400,
        seen: 0,
        share: 0,
        bound: 0.006,
        evidence: -2,
      },
    ],
    upstreamVersions: ['a', 'b', 'c', 'd', 'e'].map((name, index) => ({
      name: `model-${name} fp_1`,
      pairs: 40 * index,
      losses: index,
      credits: 0,
      from: AT + index * 60_000,
      to: AT + index * 60_000,
    })),
  })

  it('is named, with the questions of now and of the proof, and the newest models', () => {
    const text = rolloutText(viewOf(CHANGED), 80)
    expect(text).toContain(
      `
warning     its questions have changed: 31.0 % of 100 audited requests would go
            to the upstream; the proof showed 22.0 %, at most 25.1 %; evidence
            1480
warning     the provider retires the upstream's model on 2027-01-31
`
    )
    expect(text).toContain(
      `
questions   now     in the proof  at most  evidence
fallbacks   31.0 %  22.0 %        25.1 %   1500 of 1200
new-labels  0.0 %   0.0 %         0.6 %    0.135 of 1200

upstream      first seen        pairs  loss
model-b fp_1  2026-11-28 10:01  40     2.5 %
model-c fp_1  2026-11-28 10:02  80     2.5 %
model-d fp_1  2026-11-28 10:03  120    2.5 %
model-e fp_1  2026-11-28 10:04  160    2.5 %`
    )
  })
})

describe('the bar of evidence', () => {
  it.each([
    ['1', 0, '▕░░░░░░░░░░|'],
    ['less than 1', -50, '▕░░░░░░░░░░|'],
    ['the square root of what decides', Math.log(300) / 2, '▕█████░░░░░|'],
    ['just less than what decides', Math.log(299.9), '▕█████████░|'],
    ['what decides', Math.log(300), '▕██████████|'],
    ['much more', 5_000, '▕██████████|'],
  ])('at %s', (_, logarithm, bar) => {
    expect(evidenceBar(logarithm, 300, 10)).toBe(bar)
  })
})

describe('the picture of the loss', () => {
  it('has the whole range without a pair', () => {
    const shares = { interval: [0, 1], mean: null, proven: 0.03, margin: 0.05 } as const
    expect(lossPicture(shares, 10)).toEqual({ bar: '[========]', marks: 'pm', scale: 1 })
  })

  it('puts both bounds side by side where they are in one cell', () => {
    const shares = { interval: [0.1, 0.29], mean: 0.15, proven: 0.048, margin: 0.05 } as const
    expect(lossPicture(shares, 30)).toEqual({
      bar: '..........[====o=============]',
      marks: '    pm',
      scale: 0.3,
    })
  })

  it('has one mark where the margin is all that was proved', () => {
    const shares = { interval: [0, 0.044], mean: 0, proven: 0.05, margin: 0.05 } as const
    expect(lossPicture(shares, 10)).toEqual({ bar: 'o=======].', marks: '         m', scale: 0.05 })
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
    expect(timedLine(viewOf(exampleReport()), AT)).toBe(
      '2026-11-28 10:00 canary 5 % pairs 160 loss 2.5 % rollback 0.05 step 2.2'
    )
  })

  it('has the drift in the last stage, and where there is one', () => {
    const full = exampleReport({ stage: FULL })
    expect(rolloutLine(viewOf(full))).toBe('full pairs 160 loss 2.5 % rollback 0.05 drift 9.2')
    const drifted = exampleReport({ driftedAt: AT })
    expect(rolloutLine(viewOf(drifted))).toBe(
      'canary 5 % pairs 160 loss 2.5 % rollback 0.05 drift 9.2'
    )
  })

  it('names the end with its reason, and a beginning without figures', () => {
    const state = {
      name: 'retired',
      reason: reasonOf('replaced', { by: 'internalization-2' }),
    } as const
    expect(rolloutLine(viewOf(exampleReport(), { state }))).toBe(
      'retired: replaced by internalization-2'
    )
    expect(rolloutLine(viewOf(null))).toBe('shadow no figures yet')
  })
})

describe('80 columns', () => {
  const report = fc
    .record({
      pairs: fc.nat(99_999),
      lossShare: fc.double({ min: 0, max: 1, noNaN: true }),
      stage: fc.constantFrom(...STAGES),
      margin: fc.double({ min: 0.01, max: 0.3, noNaN: true }),
      provenShare: fc.double({ min: 0.1, max: 1, noNaN: true }),
      driftedAt: fc.constantFrom(null, AT),
      usd: fc.double({ min: 0, max: 99_999, noNaN: true }),
      counts: fc.nat(999_999),
    })
    .map(({ pairs, lossShare, stage, margin, provenShare, driftedAt, usd, counts }) => {
      const inStage = stageOf(stage)
      const stream = { ...NO_STREAM, pairs, losses: Math.round(pairs * lossShare) }
      return exampleReport({
        stage: inStage,
        evidence: evidenceFigures(
          { stream, inStage: stream, startTimes: new Map() },
          { margin, proven: margin * provenShare, least: 0 }
        ),
        outcomes: {
          agreed: counts,
          disagreed: counts,
          'upstream-differs': counts,
          'second-agrees': 0,
          'draft-agreed': 0,
          'draft-disagreed': 0,
          withheld: 0,
          fallback: counts,
          refused: 0,
          unusable: counts,
        },
        driftedAt,
        spentUsdToday: usd,
      })
    })

  it('are enough for every line, and lines with words of 120 characters are the only wider ones', () => {
    const lora = 'l'.repeat(120)
    fc.assert(
      fc.property(report, (given) => {
        const view = viewOf(given, { lora })
        const lines = [...rolloutText(view, 80).split('\n'), timedLine(view, AT)]
        const wide = lines.filter((line) => line.length > 80)
        expect(wide).toEqual([`lora        ${lora}`])
      })
    )
  })
})
