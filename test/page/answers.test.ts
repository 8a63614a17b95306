/** Held-out answers: what a person reads first, finds, and may not read. */
import { describe, expect, it } from 'vitest'
import type { FieldFigures } from '../../src/core/answer/field-figures.ts'
import type { ResponseType } from '../../src/core/answer/response-type.ts'
import { changesOf } from '../../src/admin/page/parts/marked-answers.tsx'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { EvaluationRow } from '../../src/store/store.ts'
import { answerBody } from '../kit/records/completion.ts'
import { routedRecord } from '../kit/records/audited.ts'
import { exampleApproved, exampleEvaluation, exampleTemplate } from '../kit/records/examples.ts'
import { linkIn, type Page, usePage } from './harness.ts'

const VIEW = '/admin/internalizations/a/answers'
const HOSTILE = '<script>alert(1)</script>\u202egnp.exe'

/** As they are stored with a verdict. */
const FIELDS: FieldFigures = {
  rows: 3,
  answered: 3,
  fields: [{ path: 'id', rows: 2, answered: 1 }],
  others: 0,
}

interface Logged {
  prompted: string
  adapted: string
  changes?: Partial<EvaluationRow>
}

/** Logs one held-out record for each answer. */
const hold = async (
  { store }: Page,
  answers: Logged[],
  responseType: ResponseType = 'label'
): Promise<void> => {
  await store.templates.upsert([exampleTemplate()])
  const ids = answers.map((_, index) => `record-${index + 1}`)
  const { plan, ...row } = exampleApproved('a')
  await store.internalizations.create({
    ...row,
    plan: {
      ...plan!,
      answers: { ...plan!.answers, responseType },
      holdoutRecordIds: ids,
      unseenRecordIds: [],
    },
    ...(responseType === 'json' && { verdict: { ...row.verdict!, fields: FIELDS } }),
  })
  await store.records.append(
    batchOf(
      answers.map(({ prompted }, index) =>
        routedRecord(index + 1, 'skipped', { response: answerBody(prompted) })
      )
    )
  )
  await store.internalizations.addEvaluations(
    answers.map(({ adapted, prompted, changes }, index) => ({
      ...exampleEvaluation(ids[index]!, { arm: 1, internalizationId: 'a', ...changes }),
      answer: adapted,
      agrees: adapted === prompted,
    }))
  )
}

/** Numbers of the questions in the order in which a view shows them. */
const questionsIn = (markup: string): number[] =>
  [...markup.matchAll(/question (\d+)</g)].map(([, number]) => Number(number))

const at = (logprobMin: number): Partial<EvaluationRow> => ({ logprobMin, logprobSum: logprobMin })

describe('held-out answers', () => {
  const page = usePage()

  it('show the surest mistake first, then what it was least sure of, and last what is never given', async () => {
    await hold(page, [
      { prompted: 'a', adapted: 'a', changes: at(-0.01) },
      { prompted: 'a', adapted: 'a', changes: at(-0.5) },
      { prompted: 'a', adapted: 'b', changes: at(-0.4) },
      { prompted: 'a', adapted: 'b', changes: at(-0.02) },
      { prompted: 'a', adapted: '', changes: { ...at(-0.01), deferred: 'tool-calls' } },
    ])
    const markup = await page.view(VIEW)
    expect(questionsIn(markup)).toEqual([4, 3, 2, 1, 5])
    expect(markup).toContain('always left to the upstream: tool-calls')
    expect(markup).toContain('The small model was not asked.')
    expect(markup).toContain('<span class="badge bad">wrong, and a client would get it</span>')
    expect(markup).toContain('<span class="badge good">agrees: a client would get it</span>')
    expect(markup).toContain('probability 98.0 %')
  })

  it('mark the words in which both answers differ', async () => {
    await hold(page, [{ prompted: 'pay the blue bill', adapted: 'pay the red bill' }])
    const markup = await page.view(VIEW)
    expect(markup).toContain('pay the <ins>blue</ins> bill')
    expect(markup).toContain('pay the <del>red</del> bill')
  })

  it.each([
    ['disagree', [1]],
    ['agree', [2]],
    ['deferred', [3]],
    ['above', [2]],
    ['no such kind', [1, 2, 3]],
  ])('are filtered: %s', async (kind, questions) => {
    await hold(page, [
      { prompted: 'a', adapted: 'b', changes: at(-2) },
      { prompted: 'a', adapted: 'a', changes: at(-0.01) },
      { prompted: 'a', adapted: 'b', changes: { deferred: 'refusal' } },
    ])
    expect(questionsIn(await page.view(`${VIEW}?kind=${kind}`))).toEqual(questions)
  })

  it('come 25 a page, and the last page stands in for those beyond it', async () => {
    await hold(
      page,
      Array.from({ length: 26 }, () => ({ prompted: 'a', adapted: 'a' }))
    )
    const first = await page.view(VIEW)
    expect(questionsIn(first)).toHaveLength(25)
    expect(first).toContain('Page 1 of 2')
    const next = linkIn(first, 'Next page')
    expect(questionsIn(await page.view(next))).toHaveLength(1)
    expect(questionsIn(await page.view(`${VIEW}?page=999`))).toHaveLength(1)
    expect(questionsIn(await page.view(`${VIEW}?page=-1e9`))).toHaveLength(25)
  })

  it('are found by a text of the question or of either answer, in any case', async () => {
    await hold(page, [
      { prompted: 'Lost card', adapted: 'lost card' },
      { prompted: 'fee', adapted: 'REFUND' },
      { prompted: 'fee', adapted: 'fee' },
    ])
    expect(questionsIn(await page.view(`${VIEW}?search=LOST`))).toEqual([1])
    expect(questionsIn(await page.view(`${VIEW}?search=refund`))).toEqual([2])
    expect(questionsIn(await page.view(`${VIEW}?search=Question 3`))).toEqual([3])
    expect(await page.view(`${VIEW}?search=nothing`)).toContain('0 answers fit the search')
  })

  it('in JSON say in which fields they differ, and are found by one', async () => {
    const answers = [
      { prompted: '{"id":1,"n":1}', adapted: '{"id":2,"n":1}' },
      { prompted: '{"id":1,"n":1}', adapted: '{"id":2,"n":2}' },
      { prompted: '{"id":1,"n":1}', adapted: '{"id":1,"n":2}' },
      { prompted: '{"id":1}', adapted: '{"id":1}' },
      { prompted: '{"id":1}', adapted: '{"id":2}', changes: { deferred: 'not-json' } },
    ]
    await hold(page, answers, 'json')
    const markup = await page.view(VIEW)
    expect(markup).toContain('differs in <bdi>id, n</bdi>')
    expect(markup).toContain('<option value="id">id (2)</option>')
    expect(questionsIn(await page.view(`${VIEW}?field=id`)).toSorted()).toEqual([1, 2])
    expect(questionsIn(await page.view(`${VIEW}?field=n&kind=disagree`)).toSorted()).toEqual([2, 3])
    expect(await page.view(`${VIEW}?field=other`)).toContain('0 answers fit the search')
  })

  it('are text, whatever they contain, and are cut with an address of the whole', async () => {
    const long = `${HOSTILE} ${'x'.repeat(1_000_000)}`
    await hold(page, [{ prompted: HOSTILE, adapted: long }])
    const markup = await page.view(`${VIEW}?search=${encodeURIComponent('<script>')}`)
    expect(markup).not.toContain('<script>alert')
    expect(markup).toContain('&lt;script&gt;alert(1)')
    expect(markup).toContain('‹RLO›')
    expect(markup.length).toBeLessThan(30_000)
    const whole = /href="(\/admin\/internalizations[^"]+text[^"]*)"/.exec(markup)![1]!
    const text = await page.request(whole)
    expect(text.headers.get('content-type')).toContain('text/plain')
    expect(await text.text()).toBe(long)
  })

  it('say so where the log has lost the texts', async () => {
    await hold(page, [{ prompted: 'a', adapted: 'b' }])
    await page.store.records.prune({ bodies: 1e15, records: 0 })
    const markup = await page.view(VIEW)
    expect(markup.match(/This text was deleted from the log/g)).toHaveLength(3)
  })

  it('are empty before the test has begun', async () => {
    await hold(page, [])
    expect(await page.view(VIEW)).toContain('0 answers.')
  })

  it('of an unknown internalization are not found', async () => {
    expect((await page.request('/admin/internalizations/x/answers')).status).toBe(404)
  })
})

const words = (letter: string): string =>
  Array.from({ length: 600 }, (_, i) => letter + i).join(' ')

describe('marks', () => {
  it('divide texts that have little in common into two whole ones', () => {
    expect(changesOf(words('a'), words('b'))).toHaveLength(2)
  })
})
