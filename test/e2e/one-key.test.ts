/**
 * A route that was learned from one issued key of a tenant answers that key alone, and the key that replaces it gets
 * a route of its own: the real server with its worker and the fake engine, and an upstream that obeys the questions.
 */
import { beforeAll, describe, expect, it } from 'vitest'
import { colourIn, inTenant, type Sent } from '../kit/whole/scene.ts'
import { COLOURS, colourOf, PROMPT, questionOf } from '../kit/records/paint-orders.ts'

const next = (colour: string): string => COLOURS[(COLOURS.indexOf(colour) + 1) % COLOURS.length]!

const ordered = (number: number, more = ''): string =>
  JSON.stringify({
    model: 'gpt-4o-mini',
    messages: [
      { role: 'system', content: PROMPT },
      { role: 'user', content: questionOf(number) + more },
    ],
  })

const swapped =
  (headers: Record<string, string>) =>
  (number: number): Sent => ({ body: ordered(number, ' Swap!'), headers })
const plain =
  (headers: Record<string, string>) =>
  (number: number): Sent => ({ body: ordered(number), headers })

describe('a route of a constant prompt that was learned from one key of a tenant', () => {
  const { scene, keyOf } = inTenant(({ body }) => {
    const text = body.toString()
    const colour = colourIn(text)
    return text.includes('please. Swap!') ? next(colour) : colour
  })
  let first: Record<string, string>
  let second: Record<string, string>
  let third: Record<string, string>

  beforeAll(async () => {
    await scene.start({ ACCESS: 'keys', UPSTREAM_API_KEY: 'upstream-key' })
    first = await keyOf('first')
    second = await keyOf('second')
    // the next proof shall not have its requests
    third = { ...(await keyOf('third')), 'x-promptintern-capture': 'false' }
    await scene.learn(swapped(first))
  }, 120_000)

  it('answers no other key as that key was answered', async () => {
    const { lora, answers } = await scene.answered(plain(third))
    expect(answers).toEqual(answers.map((_answer, number) => colourOf(number)))
    expect(lora).toBe(0)
  })

  it('is not the last one: the key that replaces it is learned and answered, too', async () => {
    const replacing = swapped(second)
    expect((await scene.answered(replacing)).lora).toBe(0)
    await scene.learn(replacing)
    const { lora, answers } = await scene.answered(replacing)
    expect(lora).toBeGreaterThan(6)
    expect(answers).toEqual(answers.map((_answer, number) => next(colourOf(number))))
    expect((await scene.answered(swapped(first))).lora).toBeGreaterThan(6)
  }, 120_000)
})
