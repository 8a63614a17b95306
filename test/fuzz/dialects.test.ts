/**
 * Bodies of both dialects with every kind of value in every known place: readers never throw, and what they
 * read has the shape that the rest relies on.
 */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { outcomeOf } from '../../src/core/answer/outcome.ts'
import { plainTexts } from '../../src/core/request/request-scan.ts'
import { readChatRequest } from '../../src/core/request/chat-reading.ts'
import { eligibility } from '../../src/core/route/route.ts'
import { templateKeyOf } from '../../src/core/template/template-key.ts'
import { CHAT, RESPONSES } from '../../src/openai/dialect.ts'
import { continued, previousIdIn } from '../../src/openai/responses/continue.ts'
import { exampleTemplate } from '../kit/records/examples.ts'

const RUNS = { numRuns: 2000, seed: 20261128 }

const junk = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constant(null))
const text = fc.constantFrom('', 'hi', '[[call]] f {}', '[[result]] x', 'a\nb')
const orJunk = <T>(usual: fc.Arbitrary<T>) => fc.oneof({ weight: 5, arbitrary: usual }, junk)

const part = fc.record(
  {
    type: orJunk(fc.constantFrom('text', 'input_text', 'output_text', 'refusal', 'input_image')),
    text: orJunk(text),
    image_url: junk,
    annotations: junk,
  },
  { requiredKeys: ['type'] }
)
const content = orJunk(fc.oneof(text, fc.array(orJunk(part), { maxLength: 3 })))
const called = fc.record({
  id: junk,
  type: orJunk(fc.constant('function')),
  function: orJunk(
    fc.record({ name: orJunk(fc.constant('f')), arguments: orJunk(fc.constant('{"x":1}')) })
  ),
})
const message = fc.record(
  {
    role: orJunk(fc.constantFrom('system', 'developer', 'user', 'assistant', 'tool')),
    content,
    tool_calls: orJunk(fc.array(orJunk(called), { maxLength: 2 })),
    name: junk,
  },
  { requiredKeys: ['role'] }
)
const item = fc.oneof(
  message,
  fc.record(
    {
      type: orJunk(
        fc.constantFrom('message', 'function_call', 'function_call_output', 'reasoning', 'other')
      ),
      role: orJunk(fc.constantFrom('user', 'assistant')),
      content,
      call_id: junk,
      name: orJunk(fc.constant('f')),
      arguments: orJunk(fc.constant('{}')),
      output: content,
    },
    { requiredKeys: ['type'] }
  )
)
const settings = {
  model: orJunk(fc.constant('m')),
  stream: junk,
  tools: orJunk(fc.array(orJunk(called), { maxLength: 2 })),
  tool_choice: junk,
  store: junk,
}
const chatBody = fc.record(
  { ...settings, messages: orJunk(fc.array(orJunk(message), { maxLength: 5 })) },
  { requiredKeys: ['model', 'messages'] }
)
const responsesBody = fc.record(
  {
    ...settings,
    input: orJunk(fc.oneof(text, fc.array(orJunk(item), { maxLength: 5 }))),
    instructions: orJunk(text),
    text: junk,
    reasoning: junk,
    include: junk,
    stream_options: junk,
    previous_response_id: orJunk(fc.constant('resp_1')),
    messages: junk,
    n: junk,
  },
  { requiredKeys: ['model'] }
)

describe.each([
  ['chat completions', CHAT, chatBody],
  ['Responses', RESPONSES, responsesBody],
] as const)('any body of %s', (_, dialect, bodies) => {
  it('is read into messages with roles, or not at all', () => {
    let read = 0
    fc.assert(
      fc.property(bodies as fc.Arbitrary<object>, (body) => {
        const { outcome } = readChatRequest(Buffer.from(JSON.stringify(body)), dialect)
        if (typeof outcome === 'string') return
        read++
        const { request } = outcome
        for (const { role } of request.messages) expect(role).toBeTypeOf('string')
        // none of these may throw on what a reader lets through
        plainTexts(request.messages)
        templateKeyOf(request, { tenant: 'tenant' })
        eligibility(request, exampleTemplate())
      }),
      RUNS
    )
    expect(read).toBeGreaterThan(300)
  })
})

describe('any answer', () => {
  const output = fc.record({
    object: orJunk(fc.constant('response')),
    status: orJunk(fc.constantFrom('completed', 'incomplete', 'failed')),
    incomplete_details: junk,
    output: orJunk(fc.array(orJunk(item), { maxLength: 3 })),
  })
  const choice = fc.record({ message: orJunk(message), finish_reason: junk })
  const completion = fc.record({ choices: orJunk(fc.array(orJunk(choice), { maxLength: 2 })) })

  it.each([
    ['chat completions', CHAT, completion],
    ['Responses', RESPONSES, output],
  ] as const)('of %s has an outcome', (_, dialect, answers) => {
    fc.assert(
      fc.property(orJunk(answers as fc.Arbitrary<object>), (answer) => {
        expect(outcomeOf(dialect.completionOf(answer)).kind).toBeTypeOf('string')
      }),
      RUNS
    )
  })
})

it('any request that continues a kept response stays JSON, with all its other members', () => {
  const previous = {
    request: '{"input":"hi"}',
    response: '{"output":[{"type":"message","content":[{"text":"ho"}]}]}',
  }
  fc.assert(
    fc.property(responsesBody, (body) => {
      const bytes = Buffer.from(JSON.stringify(body))
      const id = previousIdIn(bytes)
      const made = continued(bytes, previous)
      if (id === null || made === null) return
      const {
        input,
        previous_response_id: _id,
        ...others
      } = JSON.parse(made.toString()) as Record<string, unknown>
      expect((input as unknown[]).slice(0, 2)).toEqual([
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: 'ho' },
      ])
      const {
        input: _input,
        previous_response_id: _old,
        ...sent
      } = JSON.parse(bytes.toString()) as Record<string, unknown>
      expect(others).toEqual(sent)
    }),
    RUNS
  )
})
