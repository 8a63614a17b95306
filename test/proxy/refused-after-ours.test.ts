/** An upstream that refuses the turn after a lora's answer: counted, named in the record, and no refusal of the key. */
import { afterEach, describe, expect, it } from 'vitest'
import { FakeLora, LORA_ANSWER, withLora } from '../fakes/lora.ts'
import { PROMPT, ROUTE } from '../fixtures/lora-route.ts'
import {
  AUTHORIZATION,
  completion,
  respondJson,
  send,
  startHarness,
  UNMATCHED_BODY,
  type Harness,
  type RawAnswer,
} from './harness.ts'

const REASON = 'upstream-refused-after-ours'
const FIRST = [
  { role: 'system', content: PROMPT },
  { role: 'user', content: 'Where is my card?' },
]
const bodyOf = (messages: object[]): string =>
  JSON.stringify({ model: ROUTE.template.model, messages })
const next = (answer: string): string =>
  bodyOf([...FIRST, { role: 'assistant', content: answer }, { role: 'user', content: 'And now?' }])

const refuse = (status: number) => respondJson({ error: { message: 'no', code: null } }, status)

let harness: Harness
afterEach(() => harness.close())

const start = async (): Promise<void> => {
  harness = await startHarness(withLora(new FakeLora()))
  await harness.send(UNMATCHED_BODY)
}

const ask = (): Promise<RawAnswer> => harness.send(bodyOf(FIRST))
const routeOf = ({ headers }: RawAnswer) => headers['x-promptintern-route']
const refusals = () => harness.faults.filter(({ kind }) => kind === REASON)

describe('an upstream that refuses a request', () => {
  it.each([400, 404, 422])(
    'with %i after a lora’s answer is counted once a conversation, and the key stays accepted',
    async (status) => {
      await start()
      expect(routeOf(await ask())).toBe('answered')
      harness.upstream.respond = refuse(status)
      expect((await harness.send(next(LORA_ANSWER))).status).toBe(status)
      await harness.send(next(LORA_ANSWER))
      expect(refusals().map(({ data }) => data)).toMatchObject([
        { status, lora: ROUTE.lora },
        { status, lora: null },
      ])
      expect(routeOf(await ask())).toBe('answered')
      const records = await harness.records()
      const named = records.filter(({ route }) => route?.reason === REASON)
      expect(named.map(({ route }) => [route!.lora, route!.templateVersion])).toEqual([
        [ROUTE.lora, ROUTE.template.version],
      ])
    }
  )

  it.each([401, 403])('with %i refuses the key, whatever came before', async (status) => {
    await start()
    await ask()
    harness.upstream.respond = refuse(status)
    await harness.send(next(LORA_ANSWER))
    expect(refusals()).toEqual([])
    harness.upstream.respond = respondJson(completion('ok'))
    expect(routeOf(await ask())).toBe('skipped')
  })

  it.each([
    ['after its own answer', next('the upstream’s'), AUTHORIZATION],
    ['of another tenant', next(LORA_ANSWER), 'Bearer sk-other-0123456789abcdef'],
  ])('%s is not counted', async (_when, body, authorization) => {
    await start()
    await ask()
    harness.upstream.respond = refuse(400)
    const headers = { authorization, 'content-type': 'application/json' }
    await send(harness.port, body, { headers })
    expect(refusals()).toEqual([])
  })

  it.each([200, 429, 500])(
    'and answers %i after a lora’s answer has not refused it',
    async (status) => {
      await start()
      await ask()
      harness.upstream.respond = refuse(status)
      await harness.send(next(LORA_ANSWER))
      expect(refusals()).toEqual([])
    }
  )
})
