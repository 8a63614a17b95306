/** Log-probabilities of a lora's answer, where the proof had requests that ask for them. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Engine, GeneratedDelta } from '../../src/engine/engine.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'
import { withLora } from '../kit/proxy/lora.ts'
import { eventErrors, shapeErrors } from '../kit/upstream/openapi/api-shape.ts'
import { TEMPLATE } from '../kit/proxy/lora-route.ts'
import { kindsWith } from '../kit/records/route-rules.ts'
import {
  chatBody,
  startHarness,
  UNMATCHED_BODY,
  type Harness,
  type SendOptions,
} from '../kit/proxy/harness.ts'

const entry = (token: string, logprob: number) => ({
  token,
  logprob,
  bytes: [...Buffer.from(token)],
})

/** Says two tokens, the second in two bytes beyond ASCII, and reports its end token, as for one of a list. */
class CountingEngine implements Pick<Engine, 'name' | 'stream'> {
  readonly name = 'counting'
  asked: ChatRequest | null = null
  /** whether it lists other tokens */
  hasOthers = true
  tokens = ['karte', '_spät']

  async *stream(request: ChatRequest): AsyncIterable<GeneratedDelta> {
    this.asked = request
    const others = [entry('card', -3), entry('never', -Infinity)]
    const top_logprobs = this.hasOthers ? others.slice(0, request.top_logprobs ?? 0) : []
    for (const token of this.tokens)
      yield { text: token, logprobs: [{ ...entry(token, -0.1), top_logprobs }] }
    const end = { ...entry('<end>', -0.05), top_logprobs }
    yield { text: '', logprobs: [end], finishReason: 'stop' }
  }
}

const TEXT = 'karte_spät'
const PLAIN = [entry('karte', -0.1), entry('_spät', -0.1)].map((each) => ({
  ...each,
  top_logprobs: [],
}))
const WITH_TWO = PLAIN.map((each) => ({
  ...each,
  // the API's number for a token that is next to impossible
  top_logprobs: [entry('card', -3), entry('never', -9999)],
}))

const RESPONSES: SendOptions = { path: '/v1/responses' }
const INCLUDE = ['message.output_text.logprobs']

const response = (extra: object) =>
  JSON.stringify({
    model: TEMPLATE.model,
    instructions: 'Sort the question.',
    input: 'where?',
    ...extra,
  })

describe('log-probabilities of a lora’s answer', () => {
  let harness: Harness
  afterEach(() => harness.close())

  const open = async (engine = new CountingEngine()): Promise<CountingEngine> => {
    const kinds = kindsWith({ logprobs: true }, { logprobs: true, top_logprobs: 2 })
    harness = await startHarness(withLora(engine as Partial<Engine>, { kinds }))
    await harness.send(UNMATCHED_BODY)
    return engine
  }
  const reasonFor = async (body: string, options?: SendOptions) =>
    (await harness.send(body, options)).headers['x-promptintern-reason']
  it.each([
    [{ logprobs: true }, PLAIN],
    [{ logprobs: true, top_logprobs: 2 }, WITH_TWO],
  ])('are those of its tokens: %j', async (asked, content) => {
    const engine = await open()
    const { text } = await harness.send(chatBody('where?', asked))
    const completion = JSON.parse(text) as object
    expect(completion).toMatchObject({
      choices: [{ message: { content: TEXT }, logprobs: { content, refusal: null } }],
    })
    expect(engine.asked?.top_logprobs).toBe('top_logprobs' in asked ? 2 : undefined)
    expect(shapeErrors('CreateChatCompletionResponse', completion)).toEqual([])
  })

  it('come with the content of a stream', async () => {
    await open()
    const { text } = await harness.send(chatBody('where?', { logprobs: true, stream: true }))
    const chunks = text
      .split('\n\n')
      .filter((event) => event.startsWith('data: {'))
      .map((event) => JSON.parse(event.slice('data: '.length)) as object)
    for (const chunk of chunks)
      expect(shapeErrors('CreateChatCompletionStreamResponse', chunk)).toEqual([])
    for (const [index, one] of PLAIN.entries())
      expect(chunks[index + 1]).toMatchObject({
        choices: [{ delta: { content: one.token }, logprobs: { content: [one] } }],
      })
  })

  it('are a part of a response that includes them', async () => {
    await open()
    const body = response({ include: INCLUDE, top_logprobs: 2, store: false })
    const { text } = await harness.send(body, RESPONSES)
    expect(JSON.parse(text)).toMatchObject({
      output: [{ content: [{ text: TEXT, logprobs: WITH_TWO }] }],
      top_logprobs: 2,
    })
    const streamed = await harness.send(
      response({ include: INCLUDE, top_logprobs: 2, store: false, stream: true }),
      RESPONSES
    )
    const events = [...streamed.text.matchAll(/^data: (.*)$/gm)].map(
      ([, data]) => JSON.parse(data!) as Record<string, unknown>
    )
    for (const event of events) expect(eventErrors(event)).toEqual([])
    // events have no bytes
    const ofEvents = WITH_TWO.map(({ token, logprob, top_logprobs: others }) => ({
      token,
      logprob,
      top_logprobs: others.map((other) => ({ token: other.token, logprob: other.logprob })),
    }))
    const deltas = events.filter(({ type }) => type === 'response.output_text.delta')
    expect(deltas.map(({ delta, logprobs }) => [delta, logprobs])).toEqual(
      ofEvents.map((one) => [one.token, [one]])
    )
    expect(events.find(({ type }) => type === 'response.output_text.done')).toMatchObject({
      text: TEXT,
      logprobs: ofEvents,
    })
  })

  it('are absent where nobody asks for them', async () => {
    const engine = await open()
    const { text } = await harness.send(chatBody('where?'))
    expect(JSON.parse(text)).toMatchObject({ choices: [{ logprobs: null }] })
    expect(engine.asked?.top_logprobs).toBeUndefined()
  })

  it('come from the upstream where the proof had none of this kind', async () => {
    await open()
    expect(await reasonFor(chatBody('where?', { logprobs: true, top_logprobs: 3 }))).toBe(
      'kind-not-proven'
    )
    // the API refuses it
    expect(await reasonFor(chatBody('where?', { top_logprobs: 2 }))).toBe('logprobs')
  })

  it('come from the upstream where the engine has no alternatives, or other tokens than the text', async () => {
    const engine = await open()
    engine.hasOthers = false
    const asked = { logprobs: true, top_logprobs: 2 }
    expect(await reasonFor(chatBody('where?', asked))).toBe('no-logprobs')
    expect(await reasonFor(chatBody('where?', { logprobs: true }))).toBeUndefined()
    engine.stream = async function* () {
      yield { text: 'kar', logprobs: [{ ...entry('karte', -0.1), top_logprobs: [] }] }
      yield { text: '', logprobs: [], finishReason: 'stop' }
    }
    expect(await reasonFor(chatBody('where?', { logprobs: true }))).toBe('no-logprobs')
    expect(await reasonFor(chatBody('where?'))).toBeUndefined()
  })
})
