/** The bytes of a request for another model are those of the client but for the name and the log-probabilities. */
import { describe, expect, it } from 'vitest'
import { answerOfModel, DEFER_ANSWER } from '../../src/core/answer/outcome.ts'
import type { ChatCompletion } from '../../src/openai/chat.ts'
import { forOtherModel } from '../../src/proxy/lora/answerer.ts'

const edited = (body: string, hasLogprobs = false): string | undefined =>
  forOtherModel(Buffer.from(body), { name: 'a"b', hasLogprobs })?.toString()

describe('a request for another model', () => {
  it.each([
    ['{"model":"x","messages":[]}', '{"model":"a\\"b","messages":[]}'],
    [' { "n" : 1e0, "model" : "\\u0078" }\n', ' { "n" : 1e0, "model" : "a\\"b" }\n'],
    ['{"messages":[{"model":"y"}],"model":"x"}', '{"messages":[{"model":"y"}],"model":"a\\"b"}'],
  ])('%s', (body, wanted) => {
    expect(edited(body)).toBe(wanted)
  })

  it.each([
    ['{"model":"x"}', '{"logprobs":true,"model":"a\\"b"}'],
    ['{"logprobs":false,"model":"x"}', '{"logprobs":true,"model":"a\\"b"}'],
    ['{"model":"x","logprobs": null }', '{"model":"a\\"b","logprobs": true }'],
    ['{"model":"x","logprobs":true}', '{"model":"a\\"b","logprobs":true}'],
  ])('with log-probabilities: %s', (body, wanted) => {
    expect(edited(body, true)).toBe(wanted)
  })

  it.each(['{"model":"x","model":"y"}', '{"mod\\u0065l":"x"}', '{}', '[]', '{"model":"x"} 1', ''])(
    'is not made where a parser may read it otherwise: %s',
    (body) => {
      expect(edited(body)).toBeUndefined()
    }
  )
})

const answer = (choice: object): ChatCompletion =>
  ({ choices: [{ index: 0, finish_reason: 'stop', ...choice }] }) as unknown as ChatCompletion

describe('an answer of another model', () => {
  const message = { role: 'assistant', content: 'yes' }

  it.each([
    ['a text', { message }, { text: 'yes', finishReason: 'stop' }],
    ['a part', { message, finish_reason: 'length' }, { text: '', finishReason: 'length' }],
    ['a refusal', { message: { ...message, refusal: 'no' } }, { text: DEFER_ANSWER }],
    [
      'its own deferral',
      { message: { ...message, content: DEFER_ANSWER } },
      { text: DEFER_ANSWER },
    ],
  ])('with %s', (_what, choice, wanted) => {
    expect(answerOfModel(answer(choice))).toMatchObject(wanted)
  })

  it.each([
    ['no list', 'yes'],
    ['no number', [{ token: 'yes', logprob: '-1' }]],
    ['no token', [{ logprob: -1 }]],
    ['a list of nothing', [null]],
  ])('has no log-probabilities where they are %s', (_what, content) => {
    expect(answerOfModel(answer({ message, logprobs: { content } }))!.logprobs).toEqual([])
  })

  it.each([null, { choices: [] }, { error: {} }, { choices: 'no' }])(
    'is none: %j',
    (completion) => {
      expect(answerOfModel(completion as ChatCompletion | null)).toBeNull()
    }
  )
})
