import { describe, expect, it } from 'vitest'
import { estimateUsage } from '../../src/core/log/estimate-usage.ts'
import { createEstimator } from '../../src/store/sqlite/log/estimates.ts'
import { exampleRecord } from '../fixtures/examples.ts'

const words = (text: string): number => text.split(/\s+/).filter((word) => word !== '').length
const request = (messages: unknown, more: Record<string, unknown> = {}): string =>
  JSON.stringify({ model: 'm', messages, ...more })
const response = (message: Record<string, unknown>): string =>
  JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', ...message } }] })
const hello = response({ content: 'hello to you' })
const userSays = (content: unknown) => [{ role: 'user', content }]
/** tokens of one message with its role, and of the start of the answer */
const FRAME = 3 + 1 + 3

describe('the estimate of a usage', () => {
  it('counts messages with the tokens between them, and the answer', () => {
    expect(estimateUsage(request(userSays('one two')), hello, words)).toEqual({
      prompt_tokens: FRAME + 2,
      completion_tokens: 3,
      total_tokens: FRAME + 5,
    })
    const named = [{ role: 'user', name: 'Ada', content: 'one' }]
    expect(estimateUsage(request(named), hello, words)?.prompt_tokens).toBe(FRAME + 1 + 2)
  })

  it('counts text parts, tools and tool calls', () => {
    const parts = [
      { type: 'text', text: 'one two' },
      { type: 'image_url', image_url: { url: `data:${'x'.repeat(9000)}` } },
    ]
    expect(estimateUsage(request(userSays(parts)), hello, words)?.prompt_tokens).toBe(FRAME + 2)
    const tools = [{ name: 'f', description: 'three more words' }]
    expect(estimateUsage(request(userSays('one'), { tools }), hello, words)?.prompt_tokens).toBe(
      FRAME + 1 + 3
    )
    const call = response({ content: null, tool_calls: [{ function: { arguments: 'a b' } }] })
    expect(estimateUsage(request(userSays('one')), call, words)?.completion_tokens).toBe(2)
  })

  it('counts long texts and long words by their bytes', () => {
    const long = 'word '.repeat(50_000)
    expect(estimateUsage(request(userSays(long)), hello, words)?.prompt_tokens).toBe(
      FRAME + long.length / 4
    )
    const withData = `see ${'A'.repeat(4000)} here`
    expect(estimateUsage(request(userSays(withData)), hello, words)?.prompt_tokens).toBe(
      FRAME + 1000 + 2
    )
  })

  it.each([
    ['an error', request([]), '{"error":{"message":"no"}}'],
    ['no answer', request([]), null],
    ['no JSON', '{"model', hello],
    ['messages that are not a list', request('hi'), hello],
    ['choices that are not objects', request([]), '{"choices":[7]}'],
  ])('is null for %s', (_name, sent, answered) => {
    expect(estimateUsage(sent, answered, words)).toBeNull()
  })

  it('uses a real tokenizer, only for records without usage', async () => {
    const stored = { sequence: 1, templateVersion: null }
    const content = 'The quick brown fox jumps over the lazy dog. <|endoftext|>'
    const [counted, estimated] = await createEstimator()([
      { ...exampleRecord(1), ...stored },
      {
        ...exampleRecord(2, { usage: null, request: request(userSays(content)), response: hello }),
        ...stored,
      },
    ])
    expect(counted).not.toHaveProperty('estimatedUsage')
    expect(estimated?.usage).toBeNull()
    // ten words, and a control token that is seven as text
    expect(estimated?.estimatedUsage).toMatchObject({ completion_tokens: 3 })
    const { prompt_tokens: tokens } = estimated!.estimatedUsage!
    expect(tokens).toBeGreaterThanOrEqual(FRAME + 15)
    expect(tokens).toBeLessThanOrEqual(FRAME + 20)
  })
})
