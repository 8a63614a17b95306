import { describe, expect, it } from 'vitest'
import { estimateUsage } from '../../src/core/log/estimate-usage.ts'
import { createEstimator } from '../../src/store/log/estimates.ts'
import { exampleRecord } from '../kit/records/examples.ts'

const words = (text: string): number => text.split(/\s+/).filter((word) => word !== '').length
const request = (messages: unknown, more: Record<string, unknown> = {}): string =>
  JSON.stringify({ model: 'm', messages, ...more })
const response = (message: Record<string, unknown>): string =>
  JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', ...message } }] })
const hello = response({ content: 'hello to you' })
const userSays = (content: unknown) => [{ role: 'user', content }]
const estimated = (asked: string, answer: string | null, path = '/v1/chat/completions') =>
  estimateUsage({ path, request: asked, response: answer }, words)
/** tokens of one message with its role, and of the start of the answer */
const FRAME = 3 + 1 + 3

describe('the estimate of a usage', () => {
  it('counts messages with the tokens between them, and the answer', () => {
    expect(estimated(request(userSays('one two')), hello)).toEqual({
      prompt_tokens: FRAME + 2,
      completion_tokens: 3,
      total_tokens: FRAME + 5,
    })
    const named = [{ role: 'user', name: 'Ada', content: 'one' }]
    expect(estimated(request(named), hello)?.prompt_tokens).toBe(FRAME + 1 + 2)
  })

  it('counts text parts, tools and tool calls', () => {
    const parts = [
      { type: 'text', text: 'one two' },
      { type: 'image_url', image_url: { url: `data:${'x'.repeat(9000)}` } },
    ]
    expect(estimated(request(userSays(parts)), hello)?.prompt_tokens).toBe(FRAME + 2)
    const tools = [{ name: 'f', description: 'three more words' }]
    expect(estimated(request(userSays('one'), { tools }), hello)?.prompt_tokens).toBe(FRAME + 1 + 3)
    const call = response({ content: null, tool_calls: [{ function: { arguments: 'a b' } }] })
    expect(estimated(request(userSays('one')), call)?.completion_tokens).toBe(2)
  })

  it('counts the texts of an exchange over 200 KB by their bytes', () => {
    const long = 'word '.repeat(50_000)
    expect(estimated(request(userSays(long)), hello)?.prompt_tokens).toBe(FRAME + long.length / 4)
    const half = 'word '.repeat(25_000)
    const [user] = userSays(half)
    expect(estimated(request([user, user]), hello)?.prompt_tokens).toBe(
      2 * FRAME - 3 + 25_000 + half.length / 4
    )
  })

  it('counts a long text to its end, and cuts no word of it', () => {
    const text = 'a somewhat longer sentence '.repeat(1_000)
    expect(estimated(request(userSays(text)), hello)?.prompt_tokens).toBe(FRAME + 4_000)
    const blanks = `one${' '.repeat(1_000)}two`
    expect(estimated(request(userSays(blanks)), hello)?.prompt_tokens).toBe(FRAME + 2)
  })

  it('counts a request of the Responses API as its chat request', () => {
    const asked = JSON.stringify({ model: 'm', input: 'one two', instructions: 'three' })
    const output = [{ type: 'message', content: [{ type: 'output_text', text: 'hello to you' }] }]
    const answer = JSON.stringify({ object: 'response', status: 'completed', output })
    const { prompt_tokens: prompt, completion_tokens: completion } =
      estimated(asked, answer, '/v1/responses') ?? {}
    expect([prompt, completion]).toEqual([FRAME + 2 + 3 + 1 + 1, 3])
  })

  it.each([
    ['an error', request([]), '{"error":{"message":"no"}}'],
    ['no answer', request([]), null],
    ['no JSON', '{"model', hello],
    ['messages that are not a list', request('hi'), hello],
    ['choices that are not objects', request([]), '{"choices":[7]}'],
  ])('is null for %s', (_name, sent, answered) => {
    expect(estimated(sent, answered)).toBeNull()
  })

  it('uses a real tokenizer, only for records without usage', async () => {
    const stored = { sequence: 1, templateVersion: null }
    const content = 'The quick brown fox jumps over the lazy dog. <|endoftext|>'
    const [counted, guessed] = await createEstimator()([
      { ...exampleRecord(1), ...stored },
      {
        ...exampleRecord(2, { usage: null, request: request(userSays(content)), response: hello }),
        ...stored,
      },
    ])
    expect(counted).not.toHaveProperty('estimatedUsage')
    expect(guessed?.usage).toBeNull()
    // ten words, and a control token that is seven as text
    expect(guessed?.estimatedUsage).toMatchObject({ completion_tokens: 3 })
    const { prompt_tokens: tokens } = guessed!.estimatedUsage!
    expect(tokens).toBeGreaterThanOrEqual(FRAME + 15)
    expect(tokens).toBeLessThanOrEqual(FRAME + 20)
  })
})
