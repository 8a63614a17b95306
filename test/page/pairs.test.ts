/** Rating pairs: blind until they are rated, with and without a script, and for whom. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { Pair } from '../../src/core/rollout/pair.ts'
import { addPairs, questionOf, UPSTREAM_ANSWER } from '../kit/records/audited.ts'
import { exampleApproved, exampleTemplate } from '../kit/records/examples.ts'
import { linkIn, usePage } from './harness.ts'

const VIEW = '/admin/internalizations/a/pairs'
const LORA_ANSWER = 'intent_of_the_lora'

describe('pairs to rate', () => {
  const page = usePage()
  let ids: string[]

  const audited = async (pairs: Partial<Pair>[]): Promise<void> => {
    ids = await addPairs(page.store, pairs)
  }

  const rate = (choices: Record<string, string>, view = VIEW) =>
    page.submit(
      view,
      VIEW,
      Object.fromEntries(Object.entries(choices).map(([id, right]) => [`right ${id}`, right]))
    )

  const ratings = async () =>
    (await page.store.pairs.rated(0, 100)).map(({ recordId, rating }) => [recordId, rating])

  beforeEach(async () => {
    await page.store.templates.upsert([exampleTemplate()])
    await page.store.internalizations.create(exampleApproved('a'))
  })

  it('show both answers, and nothing from which a person could tell whose they are', async () => {
    await audited([{}])
    const markup = await page.view(VIEW)
    expect(markup).toContain(UPSTREAM_ANSWER)
    expect(markup).toContain(LORA_ANSWER)
    expect(markup).toContain(questionOf(1))
    for (const sign of [
      'small model’s',
      '<ins>',
      '<del>',
      'probability',
      'disagrees',
      'its record',
      '/response.txt',
    ])
      expect(markup).not.toContain(sign)
  })

  it('are offered whether they agree or not, because each rating counts', async () => {
    const outcomes = [
      'agreed',
      'disagreed',
      'upstream-differs',
      'second-agrees',
      'fallback',
    ] as const
    await audited(outcomes.map((outcome) => ({ outcome })))
    const markup = await page.view(VIEW)
    const offered = outcomes.filter((_, i) => markup.includes(questionOf(i + 1)))
    expect(offered).toEqual(outcomes.slice(0, 4))
    await rate({ [ids[0]!]: 'both' })
    expect(await ratings()).toEqual([[ids[0], 'both']])
  })

  it('leave out answers that are equal letter by letter, however many there are', async () => {
    const equal = Array.from({ length: 60 }, () => ({ answer: UPSTREAM_ANSWER }))
    await audited([{}, ...equal, {}, { answer: UPSTREAM_ANSWER }])
    const markup = await page.view(VIEW)
    expect(markup.match(/<article/g)).toHaveLength(2)
    expect(markup).toContain(questionOf(1))
    expect(markup).toContain(questionOf(62))
    expect(markup).not.toContain('Next page')
  })

  it('are those with equal answers where no others are left, which is said', async () => {
    const equal = Array.from({ length: 12 }, () => ({ answer: UPSTREAM_ANSWER }))
    await audited([...equal, {}])
    expect(await page.view(VIEW)).not.toContain('count as agreement')
    const last = await page.view(`${VIEW}?before=13`)
    expect(last).toContain('They count as agreement')
    expect(last.match(/<article/g)).toHaveLength(10)
    expect(await page.view(linkIn(last, 'Next page'))).toContain(questionOf(1))
  })

  it('say whose answer was whose after the rating, which is kept by answer and not by place', async () => {
    await audited([{}, {}])
    const response = await rate({ [ids[0]!]: 'a' })
    expect([response.status, response.headers.get('location')]).toEqual([303, VIEW])
    const markup = await page.view(VIEW)
    expect(markup.match(/was the small model’s/g)).toHaveLength(1)
    const lora = /Answer ([AB]) was the small model’s/.exec(markup)![1]!
    expect(await ratings()).toEqual([[ids[0], lora === 'A' ? 'lora' : 'upstream']])
  })

  it('are rated several at once, and a rating can be taken back', async () => {
    await audited([{}, {}, {}])
    await rate({ [ids[0]!]: 'both', [ids[1]!]: 'neither' })
    expect(await ratings()).toEqual([
      [ids[0], 'both'],
      [ids[1], 'neither'],
    ])
    await rate({ [ids[0]!]: 'take-back' })
    expect(await ratings()).toEqual([[ids[1], 'neither']])
  })

  it('leave out those without two answers until all are revealed', async () => {
    await audited([{}, { outcome: 'fallback', reason: 'low-confidence' }])
    expect(await page.view(VIEW)).not.toContain(questionOf(2))
    const revealed = await page.view(`${VIEW}?revealed=true`)
    expect(revealed).toContain('its confidence was below the threshold')
    expect(revealed).toContain('probability 90.5 %')
    expect(revealed).not.toContain('Save the ratings')
    expect(await page.view(`${VIEW}?revealed=true&outcome=fallback`)).not.toContain(questionOf(1))
  })

  it('come ten a page, and saving stays on the page', async () => {
    await audited(Array.from({ length: 12 }, () => ({})))
    const first = await page.view(VIEW)
    const next = linkIn(first, 'Next page')
    const second = await page.view(next)
    expect(second).toContain(questionOf(1))
    expect(second).not.toContain(questionOf(3))
    const response = await rate({ [ids[0]!]: 'both' }, next)
    expect(response.headers.get('location')).toBe(next)
  })

  it('are text, whatever they contain, and the whole of a long one is a click away', async () => {
    const long = `<img src=x onerror=alert(1)>${'y'.repeat(500_000)}`
    await audited([{ answer: long }])
    const markup = await page.view(VIEW)
    expect(markup).not.toContain('<img')
    expect(markup.length).toBeLessThan(20_000)
    const [, whole] = /href="([^"]+\/[ab]\.txt)"/.exec(markup)!
    expect(await (await page.request(whole!)).text()).toBe(long)
    expect((await page.request(`${VIEW}/99/a.txt`)).status).toBe(404)
  })

  it('refuse a choice that the form does not have', async () => {
    await audited([{}])
    expect((await rate({ [ids[0]!]: 'lora' })).status).toBe(400)
    expect(await ratings()).toEqual([])
  })

  it('say that there are none yet', async () => {
    expect(await page.view(VIEW)).toContain('no such pairs yet')
  })
})
