/** The proof file of a store: without any text of a request, and only where there is a verdict. */
import { reasonOf, type Reason } from '../../src/core/reason.ts'
import * as fc from 'fast-check'
import { describe, expect } from 'vitest'
import { decideOn, heldOutRows } from '../../src/core/proof/decision-facts.ts'
import { hideValues } from '../../src/core/proof/proof-file.ts'
import { verifyProof } from '../../src/core/proof/verify-proof.ts'
import type { Internalization } from '../../src/core/internalization/internalization.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { NO_STREAMS } from '../../src/core/rollout/pair-reader.ts'
import { evidenceFigures } from '../../src/core/rollout/stages.ts'
import { lossBoundsOf } from '../../src/core/internalization/live-route.ts'
import { proofFile, readDecisionFacts, saveDecisionFacts } from '../../src/lifecycle/proof-file.ts'
import { saveRolloutReport } from '../../src/lifecycle/rollout-report.ts'
import type { Store } from '../../src/store/store.ts'
import { examplePair, LORA, routedRecord } from '../kit/records/audited.ts'
import { exampleFacts } from '../kit/records/facts.ts'
import {
  exampleApproved,
  exampleEvaluation,
  exampleInternalization,
  exampleTemplate,
} from '../kit/records/examples.ts'
import { it } from '../kit/store/local-store.ts'
import { exampleReport } from '../kit/records/rollout.ts'

const MARKER = 'ZANZIBAR'

const marked = (text: string): string => `${MARKER} ${text}`

/** A third of the answers in one slice are wrong, so that the reason of the rejection names it. */
const markedFacts = () => {
  const facts = exampleFacts({ margin: 0.2, minCoverage: 0.5 }, { rows: 800 })
  const records = facts.records.map((record, i) => ({
    ...record,
    slices: [
      'turn 1',
      `plan=${MARKER}=${i % 4 === 0 ? 'pro' : 'basic'}`,
      `reasoning_effort=${MARKER}`,
    ],
  }))
  const arms = facts.arms.map((arm, index) => ({
    ...arm,
    answers: arm.answers.map((answer, i) => {
      const isWrong = i % 12 === 0 || (index === 0 && i % 10 === 1)
      return answer && { ...answer, agrees: !isWrong, agreesToday: !isWrong }
    }),
  }))
  return { ...facts, records, arms }
}

/** An internalization in a store where every text has the marker. */
const fill = async (store: Store): Promise<Internalization> => {
  const facts = markedFacts()
  const verdict = decideOn(facts)
  const approved = exampleApproved('internalization-1', { tenant: marked('tenant'), verdict })
  const { reason } = verdict
  const row: Internalization = {
    ...approved,
    state: { name: 'rejected', reason },
    plan: {
      ...approved.plan!,
      answers: { ...approved.plan!.answers, labels: [marked('label')] },
      kinds: { ...approved.plan!.kinds, values: [`plan=${MARKER}`] },
    },
  }
  const records = Array.from({ length: 6 }, (_, i) =>
    routedRecord(i + 1, 'skipped', {
      tenant: marked('tenant'),
      request: JSON.stringify({
        model: 'gpt-4o-mini',
        messages: [{ role: 'user', content: marked('query') }],
      }),
      response: JSON.stringify({ choices: [{ message: { content: marked('answer') } }] }),
    })
  )
  await store.records.append(batchOf(records))
  const pairs = records.map(({ id }, i) =>
    examplePair(id, {
      answer: marked('answer'),
      upstreamAnswer: marked('again'),
      conversation: marked(String(i)),
      upstreamModel: marked('model'),
    })
  )
  await store.pairs.judge(pairs)
  await store.pairs.rate(records[0]!.id, 'both', 5_000)
  await store.templates.upsert([
    {
      ...exampleTemplate(),
      tenant: marked('tenant'),
      messages: [{ role: 'system', segments: [{ kind: 'anchor', text: marked('prompt') }] }],
    },
  ])
  await store.internalizations.create(row, 'admin', 'as agreed with the bank')
  await store.internalizations.addEvaluations([
    exampleEvaluation('record-1', { answer: marked('answer'), upstreamAnswer: marked('again') }),
  ])
  await saveDecisionFacts(store, row.id, facts)
  // the report of a worker that has seen the pairs
  const evidence = evidenceFigures(NO_STREAMS, lossBoundsOf(row, true))
  await saveRolloutReport(store, row.id, exampleReport({ evidence: { ...evidence, pairs: 6 } }))
  return row
}

const worseOn = (value: string) => ({
  code: 'slices-worse',
  figures: { slices: [{ slice: `plan=${value}` }] },
})

describe('the proof file', () => {
  it('has no text of a request, an answer, a slot, a label or a tenant', async ({ store }) => {
    const row = await fill(store)
    const text = JSON.stringify(await proofFile(store, row, 9_000))
    const file = JSON.parse(text) as Awaited<ReturnType<typeof proofFile>>
    expect(row.verdict!.reason).toMatchObject(worseOn(`${MARKER}=pro`))
    expect(text).not.toContain(MARKER)
    expect(file.verdict.reason).toMatchObject(worseOn('#1'))
    expect(file.history).toMatchObject([
      { state: 'rejected', reason: file.verdict.reason, note: 'as agreed with the bank' },
    ])
    expect(file.rollout!.conversations).toHaveLength(6)
    expect(file.rollout!.conversations[0]).toMatchObject([
      { outcome: 'disagreed', loss: 0, rating: 'both', ratedAt: 5_000 },
    ])
    const { checks } = verifyProof(file)
    expect(checks.find(({ name }) => name === 'verdict')).toMatchObject({ holds: true })
  })

  it('is refused before the verdict', async ({ store }) => {
    await expect(proofFile(store, exampleInternalization(), 1)).rejects.toThrow('no verdict yet')
  })

  it('names the lora, the digest of the template and all ids of training', async ({ store }) => {
    const row = await fill(store)
    const file = await proofFile(store, row, 9_000)
    expect(file.rollout!.lora).toBe(LORA)
    expect(file.training).toMatchObject({
      records: ['record-1', 'record-2'],
      arms: [{ loras: ['lora-of-arm-0'] }, { loras: [LORA] }],
    })
    expect(file.template.textDigest).toMatch(/^[0-9a-f]{64}$/)
    await store.templates.remove(row.templateVersion)
    const later = await proofFile(store, row, 9_000)
    expect(later.template).toMatchObject({ model: null, textDigest: null })
  })
})

describe('what a verdict was made from', () => {
  it('gives the same rows after it was stored, without log-probabilities that are no numbers', async ({
    store,
  }) => {
    const facts = exampleFacts()
    facts.arms[0]!.answers[3]!.logprobSum = -Infinity
    await saveDecisionFacts(store, 'a', facts)
    const kept = (await readDecisionFacts(store, 'a'))!
    expect(decideOn(kept.facts)).toEqual(decideOn(facts))
    const rows = heldOutRows(kept.facts.records, kept.facts.arms[0]!)
    expect(rows[3]!.logprobSum).toBeNaN()
    expect(kept.madeBy).toMatch(/^\d+\.\d+\.\d+/)
  })
})

const worseIn = (names: string[]): Reason => {
  const figures = { agreement: 0.71, rows: 60, upstreamAgreement: 1 }
  return reasonOf('slices-worse', { slices: names.map((slice) => ({ slice, ...figures })) })
}

describe('values of slices', () => {
  it('become numbers, in rows, figures and reasons alike, so that the decision stays as it is', () => {
    const facts = markedFacts()
    const hidden = hideValues(facts.records)
    const verdict = decideOn(facts)
    expect(verdict.arms[verdict.arm]!.slices!.length).toBeGreaterThan(2)
    const remade = decideOn({ ...facts, records: hidden.records(facts.records) })
    expect(remade).toEqual(hidden.verdict(verdict))
    expect(JSON.stringify(remade)).not.toContain(MARKER)
  })

  it('are replaced as a whole, also where one is the beginning of another or looks like a number', () => {
    const values = fc.uniqueArray(
      fc.oneof(fc.string(), fc.constantFrom('a', 'ab', '#1', '#2', '.*', '$&', 'a=b')),
      { minLength: 1, maxLength: 12 }
    )
    fc.assert(
      fc.property(values, (list) => {
        const slices = list.map((value) => `slot=${value}`)
        const record = { ...exampleFacts().records[0]!, slices }
        const hidden = hideValues([record])
        expect(hidden.records([record])[0]!.slices).toEqual(slices.map((_, i) => `slot=#${i + 1}`))
        const numbers = slices.map((_, i) => `slot=#${i + 1}`)
        expect(hidden.reason(worseIn(slices))).toEqual(worseIn(numbers))
      })
    )
  })
})
