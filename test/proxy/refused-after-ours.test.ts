/** An upstream that refuses the turn after a lora's answer: counted, named in the record, and no refusal of the key. */
import { afterEach, describe, expect, it } from 'vitest'
import { compileRouteTable } from '../../src/core/route/route-table.ts'
import { responseId } from '../../src/openai/ids.ts'
import { FakeLora, LORA_ANSWER, withLora } from '../kit/proxy/lora.ts'
import { PROMPT, ROUTE } from '../kit/proxy/lora-route.ts'
import { KINDS } from '../kit/records/route-rules.ts'
import { completion } from '../kit/records/completion.ts'
import {
  AUTHORIZATION,
  respondJson,
  send,
  startHarness,
  UNMATCHED_BODY,
  type Harness,
  type RawAnswer,
} from '../kit/proxy/harness.ts'

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

const lorasNamed = async () =>
  (await harness.records()).flatMap(({ route }) => (route?.reason === REASON ? [route.lora] : []))

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

  it('after one answer that several conversations have is counted for each of them', async () => {
    await start()
    for (let conversation = 0; conversation < 3; conversation++) await ask()
    harness.upstream.respond = refuse(400)
    for (let attempt = 0; attempt < 5; attempt++) await harness.send(next(LORA_ANSWER))
    expect(await lorasNamed()).toEqual([ROUTE.lora, ROUTE.lora, ROUTE.lora])
  })

  it('is counted for the route that has answered last', async () => {
    const template = { ...ROUTE.template, maxTurnsAfter: 2 }
    const kinds = { ...KINDS, traits: [...KINDS.traits, 'turn 2: user'] }
    const lorasOf = (lora: string) =>
      compileRouteTable([{ ...ROUTE, engine: 'fake', lora, template, kinds }])
    let routes = lorasOf('lora-old')
    harness = await startHarness({ ...withLora(new FakeLora()), routes: () => routes })
    await harness.send(UNMATCHED_BODY)
    await ask()
    routes = lorasOf('lora-new')
    await harness.send(next(LORA_ANSWER))
    routes = compileRouteTable([])
    harness.upstream.respond = refuse(400)
    const second = JSON.parse(next(LORA_ANSWER)) as { messages: object[] }
    const third = [
      ...second.messages,
      { role: 'assistant', content: LORA_ANSWER },
      { role: 'user', content: 'And then?' },
    ]
    await harness.send(bodyOf(third))
    expect(await lorasNamed()).toEqual(['lora-new'])
  })

  it.each([
    ['a model that there is not', 404, { model: 'gpt-typo' }, { code: 'model_not_found' }],
    ['another model', 400, { model: 'gpt-4o' }, { code: null }],
    ['a parameter of its own', 400, { temperature: 5 }, { code: null, param: 'temperature' }],
    ['a text that is filtered', 400, {}, { code: 'content_filter', param: 'messages' }],
  ])('for %s is not about the answer', async (_what, status, more, error) => {
    await start()
    await ask()
    harness.upstream.respond = respondJson({ error: { message: 'no', ...error } }, status)
    await harness.send(JSON.stringify({ ...JSON.parse(next(LORA_ANSWER)), ...more }))
    expect(refusals()).toEqual([])
    expect(await lorasNamed()).toEqual([])
  })

  it('of a text that looks like an id of ours is not about an answer', async () => {
    await start()
    harness.upstream.respond = refuse(400)
    const metadata = { note: responseId('00000000-0000-7000-8000-000000000001') }
    await harness.send(
      JSON.stringify({ model: ROUTE.template.model, messages: FIRST, n: 2, metadata })
    )
    expect(refusals()).toEqual([])
  })
})
