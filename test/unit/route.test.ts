/** A route's pure functions: who answers at a position, what the lora is asked, how sure an answer is. */
import { describe, expect, it } from 'vitest'
import { adaptedRequest, sideOf } from '../../src/core/route/route.ts'
import type { Match } from '../../src/core/template/template.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'
import { exampleTemplate } from '../kit/records/examples.ts'
import { ANSWERS } from '../kit/records/route-rules.ts'

describe('the side of a position', () => {
  const shares = { trafficShare: 0.25, auditShare: 0.125 }

  it.each([
    [0, 'lora'],
    [0.2499, 'lora'],
    [0.25, 'upstream'],
    [0.8749, 'upstream'],
    [0.875, 'audit'],
    [0.9999, 'audit'],
  ])('%d is of the %s', (position, side) => {
    expect(sideOf(shares, position)).toBe(side)
  })

  it.each([
    [{ trafficShare: 0, auditShare: 0 }, 'upstream'],
    [{ trafficShare: 0, auditShare: 1 }, 'audit'],
    [{ trafficShare: 1, auditShare: 0 }, 'lora'],
  ])('with %j all are of one side', (all, side) => {
    for (const position of [0, 0.5, 1 - Number.EPSILON]) expect(sideOf(all, position)).toBe(side)
  })
})

describe('the request to the lora', () => {
  const match: Match = {
    template: exampleTemplate(),
    slots: {},
    examples: {},
    query: 'four',
    turns: [],
  }
  const LORA = 'base:lora-1'
  const asked = (
    request: Partial<ChatRequest> = {},
    answers: Partial<typeof ANSWERS> = {},
    maxTokens?: number
  ): ChatRequest =>
    adaptedRequest(
      { lora: LORA, answers: { ...ANSWERS, maxTokens: 20, ...answers } },
      match,
      { model: 'm', messages: [], ...request },
      maxTokens
    )

  it('is greedy, has the query alone, and asks for log-probabilities', () => {
    expect(asked({ temperature: 1, n: 1, user: 'u' }, { labels: null })).toEqual({
      model: LORA,
      messages: [{ role: 'user', content: 'four' }],
      temperature: 0,
      logprobs: true,
      max_tokens: 20,
    })
  })

  it.each([
    [{}, undefined, 20],
    [{ max_tokens: 7 }, undefined, 7],
    [{ max_completion_tokens: 5 }, undefined, 5],
    [{ max_completion_tokens: 9, max_tokens: 7 }, undefined, 9],
    [{ max_tokens: 100 }, undefined, 20],
    [{ max_completion_tokens: 100 }, undefined, 20],
    [{}, 3, 3],
    [{ max_tokens: 2 }, 3, 2],
  ])('has the least limit of %j, a further one of %s and its own of 20', (request, most, limit) => {
    expect(asked(request, {}, most).max_tokens).toBe(limit)
  })

  it('asks for further log-probabilities where the caller gets them', () => {
    expect(asked({ logprobs: true, top_logprobs: 4 })).toMatchObject({ top_logprobs: 4 })
    for (const request of [
      { logprobs: true },
      { logprobs: true, top_logprobs: 0 },
      { logprobs: false, top_logprobs: 4 },
      { top_logprobs: 4 },
    ])
      expect(asked(request)).not.toHaveProperty('top_logprobs')
  })

  it('ends where the caller wants', () => {
    expect(asked({ stop: ['\n'] }).stop).toEqual(['\n'])
    expect(asked({ stop: null })).not.toHaveProperty('stop')
  })

  it('chooses among the labels, and among them and a word for other outcomes', () => {
    const labels = ['yes', 'no']
    const choiceOf = (defers: boolean): unknown =>
      asked({}, { labels, defers }).structured_outputs?.choice
    expect(choiceOf(false)).toEqual(labels)
    expect(choiceOf(true)).toEqual([...labels, expect.any(String)])
  })

  it('may call the functions of the request where the answers are no closed set', () => {
    const tools = [{ type: 'function', function: { name: 'book', parameters: { type: 'object' } } }]
    const request = { tools } as Partial<ChatRequest>
    expect(asked(request, { labels: null }).structured_outputs).toEqual({
      calls: {
        functions: [{ name: 'book', parameters: { type: 'object' } }],
        required: false,
        parallel: true,
      },
    })
    expect(asked({}, { labels: null })).not.toHaveProperty('structured_outputs')
  })
})
