/** JSON with a written field goes live where a judge vouches for that field, and equality for all others. */
import { reasonIn } from '../kit/records/examples.ts'
import { describe, expect, it } from 'vitest'
import type { FieldKind } from '../../src/core/answer/field-rules.ts'
import type { ProofFile } from '../../src/core/proof/proof-file.ts'
import { verifyProof } from '../../src/core/proof/verify-proof.ts'
import { examplesOf } from '../../src/lifecycle/held-out-examples.ts'
import { proofFile } from '../../src/lifecycle/proof-file.ts'
import { readJudge } from '../../src/lifecycle/read-judge.ts'
import { QUICK_PROMISE } from '../kit/records/facts.ts'
import { AS_JSON, jsonReplyTo, type Refund } from '../kit/records/written-replies.ts'
import { outcomesOf, useJudgedReplies, type JudgedOptions, type Message } from './judged-harness.ts'

const { anyWording, judged, live } = useJudgedReplies(AS_JSON)

const ruled =
  (path: string, rule: FieldKind): NonNullable<JudgedOptions['prepare']> =>
  async ({ store }, version) =>
    store.templates.setField(version, { path, rule, by: 'cli', why: 'no two are equal', at: 1 })

const prepare = ruled('reply', { kind: 'written' })

const other = (refund: Refund): Refund => ({ ...refund, isGranted: !refund.isGranted })

/** In 8 of 100 requests. */
const isWrong = (number: number): boolean => number % 12 === 5

/** A model that writes a wrong answer to each of these. */
const wrongWith = (wrong: (refund: Refund) => string) =>
  judged(
    { writes: (refund, number) => (isWrong(number) ? wrong(refund) : anyWording(refund)) },
    { prepare }
  )

const readByJudge = (comparisons: readonly Message[][]): string =>
  comparisons.map((messages) => messages.at(-1)!.content).join('\n')

describe('JSON with a reply in other words each time', () => {
  it('is proved: the judge reads the reply alone, and all other fields are equal', async () => {
    const { harness, row, comparisons } = await judged({}, { prepare })
    expect(row.state.name, JSON.stringify(row.state)).toBe('approval')
    const { verdict, plan } = row
    expect(plan!.answers).toMatchObject({ responseType: 'json', fields: [{ path: 'reply' }] })
    expect(comparisons.length / plan!.judge!.expected.requests).toBeGreaterThan(0.5)
    expect(comparisons.length / plan!.judge!.expected.requests).toBeLessThan(1.1)
    expect(readByJudge(comparisons)).toContain('refund of')
    expect(readByJudge(comparisons)).not.toContain('"decision"')
    expect(verdict!.judge!.faults.filter(({ isWatched }) => isWatched).length).toBeGreaterThan(5)
    expect(verdict!.arms[0]!.agreementAnswered).toBeGreaterThan(0.95)
    // other words are no disagreement
    expect(verdict!.fields).toMatchObject({ fields: [], others: 0 })
    const [example] = await examplesOf(harness.store, row, { limit: 1 })
    expect(example).toMatchObject({ agrees: true, fieldsApart: [] })

    const promised =
      'It compares these fields of the answers: reply. All other fields must be equal.'
    const { says } = (await readJudge(harness.store, row))!
    expect(says[0]).toContain(promised)
    const written = await proofFile(harness.store, row, harness.now)
    const file = JSON.parse(JSON.stringify(written)) as ProofFile
    const accepting = { ...QUICK_PROMISE, acceptsJudge: true, acceptsFieldRules: true }
    const { checks } = verifyProof(file, accepting)
    expect(checks.filter(({ holds }) => !holds)).toEqual([])
    const promiseFor = (expected: typeof accepting) =>
      verifyProof(file, expected).checks.find(({ name }) => name === 'promise')!
    expect(promiseFor(accepting).said).toContain(promised)
    expect(promiseFor({ ...accepting, acceptsFieldRules: false }).holds).toBe(false)
    expect(promiseFor({ ...accepting, acceptsJudge: false }).holds).toBe(false)
  })

  it('is rejected where another field is wrong in 8 of 100, which no judge is asked about', async () => {
    const { row } = await wrongWith((refund) => jsonReplyTo(other(refund), 0, refund))
    expect(row.state.name).toBe('rejected')
    expect(row.verdict!.judge!.isAdmitted).toBe(true)
    const { fields, rows } = row.verdict!.fields!
    expect(fields.map(({ path }) => path)).toEqual(['decision'])
    expect(fields[0]!.rows / rows).toBeGreaterThan(0.06)
  })

  it('is rejected where the reply is wrong in 8 of 100', async () => {
    const { row } = await wrongWith((refund) => jsonReplyTo(refund, 0, other(refund)))
    expect(row.state.name).toBe('rejected')
    expect(row.verdict!.judge!.isAdmitted).toBe(true)
    const { fields, rows } = row.verdict!.fields!
    expect(fields.map(({ path }) => path)).toEqual(['reply'])
    expect(fields[0]!.rows / rows).toBeLessThan(0.12)
  })

  it('gives no reply with a day that neither the request nor its other fields have', async () => {
    const { row } = await wrongWith((refund) => jsonReplyTo(refund, 0, { ...refund, day: 29 }))
    const { deferred, agreementAnswered } = row.verdict!.arms[0]!
    expect(deferred['invented-fact']).toBeGreaterThan(10)
    expect(agreementAnswered).toBeGreaterThan(0.95)
  })

  it('is rejected before anything is trained without a judge, with what would help', async () => {
    const { row, asked } = await judged({}, { prepare, changes: { judge: null } })
    expect(row.state).toMatchObject({
      name: 'rejected',
      reason: { code: 'written-fields', figures: { paths: ['reply'] } },
    })
    expect(row.verdict).toBeNull()
    expect(reasonIn(row)).toMatch(
      /written fields .*\(reply\).*JUDGE_MODEL and PROOF_USD.*or remove/
    )
    expect(asked).toBe(0)
  })

  it('is compared by equality without the rule, whoever the judge is', async () => {
    const { row, asked } = await judged({})
    expect(row.state.name).toBe('rejected')
    expect(row.plan!.judge).toBeUndefined()
    expect(row.verdict!.fields!.fields.map(({ path }) => path)).toEqual(['reply'])
    expect(asked).toBe(0)
  })
})

describe('a live route of JSON with a written reply', () => {
  it('is audited by equality of its fields, and by its judge', async () => {
    const { watched, comparisons } = await live(
      {
        writes: (refund, number) =>
          number % 4 === 0 ? jsonReplyTo(other(refund), 0, refund) : anyWording(refund),
      },
      { prepare }
    )
    const outcomes = await outcomesOf(watched, 12)
    expect(outcomes.filter((outcome) => outcome === 'disagreed')).toHaveLength(3)
    expect(outcomes.filter((outcome) => outcome === 'agreed')).toHaveLength(9)
    expect(readByJudge(comparisons)).toContain('refund of')
    expect(readByJudge(comparisons)).not.toContain('"decision"')
  })
})
