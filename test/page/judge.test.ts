/** Written answers on the page and in the API: who vouches for them, what the judge costs, and what people rate. */
import { admissionReason } from '../../src/core/judge/admission.ts'
import { reasonOf } from '../../src/core/reason.ts'
import { saveAuditWait } from '../../src/lifecycle/rollout-report.ts'
import { beforeEach, describe, expect, it } from 'vitest'
import { progressSnapshot } from '../../src/core/internalization/internalization.ts'
import type { Pair } from '../../src/core/rollout/pair.ts'
import { ratePair, samplePairs } from '../../src/lifecycle/ratings/rating.ts'
import { saveRolloutReport } from '../../src/lifecycle/rollout-report.ts'
import { judgeUsd } from '../../src/savings/model-proof.ts'
import { saveJsonSnapshot } from '../../src/store/json-snapshot.ts'
import { addPairs } from '../kit/records/audited.ts'
import { exampleTemplate } from '../kit/records/examples.ts'
import { exampleAdmission, exampleJudgedRoute } from '../kit/records/judged.ts'
import { exampleReport, liveAt } from '../kit/records/rollout.ts'
import { TOKEN, usePage } from './harness.ts'

const VIEW = '/admin/internalizations/a'
const PAIRS = `${VIEW}/pairs`
const SECRET = { secret: 'blind', now: 60_000 }

const LIVE = { state: liveAt(0.05) }

const page = usePage()

beforeEach(() => page.store.templates.upsert([exampleTemplate()]))

const create = (changes: Parameters<typeof exampleJudgedRoute>[1] = {}): Promise<void> =>
  page.store.internalizations.create(exampleJudgedRoute('a', changes))

const goLive = async (pairs: Partial<Pair>[] = []): Promise<string[]> => {
  await create(LIVE)
  await saveRolloutReport(page.store, 'a', exampleReport())
  return addPairs(page.store, pairs)
}

const textOf = (markup: string): string =>
  markup.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ')

const shown = async (view = VIEW): Promise<string> => textOf(await page.view(view))

interface Read {
  judge: Record<string, unknown> | null
}

const read = async (): Promise<Read> => {
  const headers = { authorization: `Bearer ${TOKEN}` }
  const response = await page.request('/admin/api/internalizations/a', { headers })
  return (await response.json()) as Read
}

const judged = async () => (await read()).judge

const lost = (reason: string): Partial<Pair> => ({ outcome: 'unusable', reason, answer: '' })

const sample = async () =>
  samplePairs(page.store, (await page.store.internalizations.get('a'))!, 300, SECRET.secret)

const audits = (bad: number) =>
  Array.from({ length: 301 }, (_, i): Partial<Pair> => ({
    outcome: i < bad ? 'disagreed' : 'agreed',
    conversation: String(i),
    answer: `reply, "${i}"`,
  }))

describe('a proved internalization of written answers', () => {
  it('shows the promise with its witness, what the judge does not watch, and its figures', async () => {
    await create()
    await judgeUsd.save(page.store, 'a', 1.234)
    const text = await shown()
    expect(text).toContain(
      'Judge judge-large (version judge-large-2026-11, rubric same-answer-1) rejects at most 5 points more of this'
    )
    expect(text).toContain('not watched: date (188 of 200 caught).')
    expect(text).toContain('Nothing is claimed about people before 300 ratings.')
    expect(text).toContain('Nothing is claimed about users: the application reports no outcomes.')
    expect(text).toMatch(/date 200 188 [\d.]+ % not watched 188 of 200 caught/)
    expect(text).toMatch(/number 200 200 [\d.]+ % watched/)
    expect(text).toContain('1.5 % 3 of 200 of the upstream’s second answers')
    expect(text).toContain('in about 6600 requests for about 2.50 USD; PROOF_USD allows 5.00 USD')
    expect(text).toMatch(/The judge has cost \$?1\.23/)
  })

  it('has the same in the API', async () => {
    await create()
    expect(await judged()).toMatchObject({
      planned: { model: 'judge-large', expected: { requests: 6_600 } },
      spentUsd: 0,
      admission: { isAdmitted: true, judge: { version: 'judge-large-2026-11' } },
      says: [/^Judge judge-large/, /not watched: date/, /300 ratings/, /users/].map((words) =>
        expect.stringMatching(words)
      ),
      people: null,
      audits: null,
    })
  })
})

it('a rejected one names one reason and the figures of its judge', async () => {
  const admission = exampleAdmission({}, 40)
  const { verdict } = exampleJudgedRoute('a', { admission })
  const reason = admissionReason(admission)
  await create({
    verdict: { ...verdict!, verdict: 'reject', reason },
    state: { name: 'rejected', reason },
  })
  const text = await shown()
  expect(text).toContain('The judge is not admitted: it rejects 40 of 200 second answers')
  expect(text).toContain('rejects 40 of 200 second answers of the upstream, and at most')
  expect(text).not.toMatch(/rejects at most 5 points more|free text/)
})

it.each([
  ['second', 'the upstream’s second answers: 120 of 260.'],
  ['planted', 'answers with planted faults: 120 of 260.'],
  ['adapted', 'the small model’s answers: 120 of 260.'],
])('says how far the judge is (%s)', async (compares, words) => {
  await create({ verdict: null, state: { name: 'evaluating' } })
  expect(await shown()).toContain('Then judge-large compares the answers, in about 6600 requests')
  const progress = { compares, done: 120, of: 260, at: 1 }
  await saveJsonSnapshot(page.store, progressSnapshot('a'), progress)
  expect(await shown()).toContain(`judge-large compares ${words}`)
})

describe('a live route of written answers', () => {
  it('says in amber why audits are no evidence, and what to do', async () => {
    await goLive([{}, lost('no-second')])
    const waitFor = reasonOf('judge-version-unknown', { version: '2', admitted: '1' })
    await saveAuditWait(page.store, 'a', waitFor)
    const notices = [...(await page.view(VIEW)).matchAll(/<p class="notice waits".*?<\/p>/g)]
    const [changed, second] = notices.map(([markup]) => textOf(markup))
    expect(changed).toMatch(/Audits wait: the judge answers as 2, .* internalize the prompt again/)
    expect(second).toMatch(/1 of the newest 2 audits have no second answer .* UPSTREAM_API_KEY/)
    const revealed = await shown(`${PAIRS}?revealed=true`)
    expect(revealed).toContain('the judge rejects it')
    expect((await judged())!.audits).toEqual({
      waitFor,
      audits: 2,
      noSecond: 1,
    })
  })

  it('says of a rating that it is no evidence', async () => {
    const [id] = await goLive([{}])
    await page.submit(PAIRS, PAIRS, { [`right ${id}`]: 'both' })
    const headers = { authorization: `Bearer ${TOKEN}` }
    const response = await page.request('/admin/api/ratings', { headers })
    expect(await response.json()).toMatchObject({ data: [{ rating: 'both', counts: false }] })
  })

  it('says of a second answer that the judge rejects it', async () => {
    await goLive([{ outcome: 'second-agrees' }])
    const words = 'the judge accepts it, and rejects a second answer of the upstream'
    expect(await shown(`${PAIRS}?revealed=true`)).toContain(words)
    expect(await shown()).toContain(words)
  })

  it('shows people the answers that the judge rejects first, without saying so', async () => {
    const ids = await goLive([
      { outcome: 'agreed' },
      { outcome: 'disagreed' },
      { outcome: 'agreed', isEqual: true },
      { outcome: 'upstream-differs' },
      { outcome: 'draft-disagreed' },
    ])
    const markup = await page.view(PAIRS)
    const offered = [...markup.matchAll(/name="right ([^"]+)" value="both"/g)].map(([, id]) => id)
    // equal answers, and drafts, are not offered
    expect(offered).toEqual([ids[1], ids[3], ids[0]])
    expect(textOf(markup)).toContain('3 pairs of it wait for a rating')
    expect(textOf(markup)).not.toMatch(/rejects|disagrees/)
    await page.submit(PAIRS, PAIRS, { [`right ${ids[1]}`]: 'neither' })
    expect(await page.view(PAIRS)).not.toContain(`right ${ids[1]}`)
    expect((await judged())!.people).toMatchObject({ wanted: 4, rated: 2, bad: 0, result: 'open' })
  })
})

describe('what people say of the sample', () => {
  it.each([
    [
      8,
      'proved',
      /^People: 8 of 300 answers that people rated blind are bad, so at most 5 % of all/,
    ],
    [9, 'not-proved', /^Nothing is claimed about people: 9 of 300/],
  ])('is read with %i bad answers: %s', async (bad, result, says) => {
    await goLive(audits(bad))
    const { pairs, waiting } = await sample()
    expect((await sample()).pairs).toEqual(pairs)
    // the sample is full before the last one
    expect([pairs.length, waiting]).toEqual([300, 300])
    for (const [at, { recordId, answers }] of pairs.entries()) {
      const upstream = answers!.a === 'intent_of_the_upstream' ? 'a' : 'b'
      await ratePair(page.store, recordId!, at < bad ? upstream : 'both', SECRET)
    }
    const { people, says: said } = (await judged()) as { people: object; says: string[] }
    expect(people).toMatchObject({ wanted: 300, rated: 300, bad, result })
    expect(said[2]).toMatch(says)
    expect(await shown()).toContain(`300 of 300 ${bad} bad`)
    expect((await sample()).waiting).toBe(0)
  })
})
