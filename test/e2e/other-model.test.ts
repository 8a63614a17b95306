/**
 * From the log to an answer of another model: the real server with its worker, and an upstream that has both models.
 * Nothing is trained, and callers present their own keys.
 */
import { expect, it } from 'vitest'
import { runCli } from '../kit/process/built.ts'
import { colourIn, Scene, type Sent } from '../kit/whole/scene.ts'
import { colourOf, PROMPT, questionOf } from '../kit/records/paint-orders.ts'

const CHEAP = 'gpt-4.1-nano'

/** Model and key of each request that the upstream got. */
const got: { model: string; key: string | undefined }[] = []

const scene = new Scene(({ headers, body }) => {
  const text = body.toString()
  const { model } = JSON.parse(text) as { model: string }
  got.push({ model, key: headers.authorization })
  return colourIn(text)
})

const order = (number: number): Sent => ({
  body: JSON.stringify({
    model: 'gpt-4o-mini',
    messages: [
      { role: 'system', content: PROMPT },
      { role: 'user', content: questionOf(number) },
    ],
  }),
})

scene.useLive(order, {
  ENGINE_USD_PER_HOUR: '1',
  ARMS: `model:${CHEAP},model:gpt-4.1`,
  PROOF_USD: '1',
  UPSTREAM_API_KEY: 'operator-key',
})

it('is proved with the key of the operator, and answers with the key of the caller', async () => {
  const proof = got.filter(({ key }) => key === 'Bearer operator-key')
  expect(proof.filter(({ model }) => model === CHEAP).length).toBeGreaterThan(120)
  got.length = 0
  const { lora, answers } = await scene.answered(order)
  expect(lora).toBe(answers.length)
  expect(answers).toEqual(answers.map((_answer, number) => colourOf(number)))
  expect(new Set(got.map(({ model, key }) => `${model} ${key}`))).toEqual(
    new Set([`${CHEAP} Bearer client-key`])
  )
})

it('says which models do not compete, what answers, and what it saves', async () => {
  const status = await runCli(scene.env, 'status')
  expect(status).toMatch(/gpt-4\.1 does not compete: a median\s+request costs/)
  const savings = JSON.parse(await runCli(scene.env, 'savings', '--json')) as {
    periods: { all: { usd: Record<'grossUsd' | 'trainingUsd' | 'engineUsd', number> } }
  }
  const { grossUsd, trainingUsd, engineUsd } = savings.periods.all.usd
  expect(engineUsd).toBe(0)
  expect(grossUsd).toBeGreaterThan(0)
  // what the proof has cost: 90 tokens at 0.1 and 2 at 0.4 USD a million
  expect(trainingUsd).toBeGreaterThan(120 * 9.8e-6)
})
