/** Items of answers that a lora has given: what a client sends back of them, on every path that takes items. */
import { APIError } from 'openai'
import { beforeEach, describe, expect, it } from 'vitest'
import { send } from '../kit/proxy/harness.ts'
import { outputItemId } from '../../src/openai/ids.ts'
import { ANSWER, MODEL, PROMPT, QUESTION, useLiveLora } from './live-lora.ts'
import { API_KEY } from './openai-upstream.ts'

const harness = useLiveLora()
beforeEach(async () => {
  // a refusal of the test before may have been taken for one of the key
  await harness.client.chat.completions.create({
    model: MODEL,
    messages: [{ role: 'user', content: 'hi' }],
  })
  harness.upstream.requests.length = 0
})

const REQUEST = { model: MODEL, instructions: PROMPT, input: QUESTION }

const post = (path: string, body: object, key = API_KEY) =>
  send(harness.port, JSON.stringify(body), {
    path,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  })

const forwarded = (): string[] => harness.upstream.bodies()
const sentItems = (list: 'input' | 'items'): unknown =>
  (JSON.parse(forwarded().at(-1)!) as Record<string, unknown>)[list]

const SAID = { role: 'assistant', content: ANSWER }
const THANKS = { role: 'user', content: 'Thanks!' }

describe('an item of a lora’s answer', () => {
  it.each([
    ['/v1/responses', 'input'],
    ['/v1/responses/compact', 'input'],
    ['/v1/responses/input_tokens', 'input'],
    ['/v1/conversations', 'items'],
    ['/v1/conversations/conv_1/items', 'items'],
  ] as const)('that is named by its id reaches the upstream as it was: %s', async (path, list) => {
    const { output } = await harness.client.responses.create(REQUEST)
    const reference = { type: 'item_reference', id: output[0]!.id }
    await post(path, { model: MODEL, [list]: [reference, THANKS] })
    expect(sentItems(list)).toEqual([SAID, THANKS])
  })

  it.each(['/v1/responses', '/v1/responses/compact', '/v1/responses/input_tokens'])(
    'is in the conversation that goes on by the id of its response: %s',
    async (path) => {
      const { id } = await harness.client.responses.create(REQUEST)
      await post(path, { model: MODEL, previous_response_id: id, input: [THANKS] })
      expect(sentItems('input')).toEqual([{ role: 'user', content: QUESTION }, SAID, THANKS])
    }
  )

  it.each([true, false])(
    'that is sent back whole has no id at the upstream: store %s',
    async (store) => {
      const { output } = await harness.client.responses.create({ ...REQUEST, store })
      const body = { model: MODEL, store, input: [...output, THANKS] }
      await post('/v1/responses', body)
      const { id } = output[0]!
      // all other bytes are as they were
      expect(forwarded()).toEqual([JSON.stringify(body).replace(`"id":"${id!}",`, '')])
    }
  )

  it('and of the input that it answered are known by the ids of their list', async () => {
    const { id } = await harness.client.responses.create(REQUEST)
    const { data } = await harness.client.responses.inputItems.list(id)
    expect(data[0]!.id).toMatch(/^msg_[0-9a-f]{48}$/)
    await post('/v1/responses', {
      model: MODEL,
      input: [{ type: 'item_reference', id: data[0]!.id }, THANKS],
    })
    expect(sentItems('input')).toEqual([{ role: 'user', content: QUESTION }, THANKS])
  })

  it('is no other tenant’s: the request reaches the upstream as it is', async () => {
    const { output } = await harness.client.responses.create(REQUEST)
    const body = { model: MODEL, input: [{ type: 'item_reference', id: output[0]!.id }, THANKS] }
    const { status, text } = await post('/v1/responses', body, 'sk-other')
    expect([status, text.includes(ANSWER)]).toEqual([401, false])
    expect(forwarded()).toEqual([JSON.stringify(body)])
  })

  it.each(['msg_1', outputItemId('msg', 'ffffffff-ffff-7fff-8fff-ffffffffffff', 0)])(
    'that is not kept is the upstream’s to refuse: %s',
    async (id) => {
      const body = { model: MODEL, input: [{ type: 'item_reference', id }, THANKS] }
      await post('/v1/responses', body)
      expect(forwarded()).toEqual([JSON.stringify(body)])
    }
  )
})

it('a lora’s response is not in the background, so that it cannot be cancelled', async () => {
  const { id } = await harness.client.responses.create(REQUEST)
  const error = await harness.client.responses.cancel(id).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(APIError)
  expect(error).toMatchObject({ status: 400, type: 'invalid_request_error' })
  expect(harness.upstream.requests).toEqual([])
})
