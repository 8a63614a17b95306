import { describe, expect, it } from 'vitest'
import { DEFER_ANSWER, outcomeOf, targetOf } from '../../src/core/answer/outcome.ts'
import type { ChatCompletion } from '../../src/openai/chat.ts'

const completion = (
  message: Record<string, unknown>,
  finishReason: string | null = 'stop'
): ChatCompletion =>
  ({
    choices: [
      { index: 0, message: { role: 'assistant', ...message }, finish_reason: finishReason },
    ],
  }) as unknown as ChatCompletion

describe('an outcome', () => {
  it('is text where a lora could answer in its place', () => {
    const outcome = outcomeOf(completion({ content: ' yes\n', refusal: null, tool_calls: [] }))
    expect(outcome).toEqual({ kind: 'text', text: ' yes\n' })
    expect(targetOf(outcome)).toBe(' yes\n')
  })

  it.each([
    ['tool-calls', completion({ content: null, tool_calls: [{}] }, 'tool_calls')],
    ['tool-calls', completion({ content: 'calling', tool_calls: [{}] })],
    ['tool-calls', completion({ content: null, function_call: { name: 'f' } }, 'function_call')],
    ['refusal', completion({ content: null, refusal: 'I cannot' })],
    ['filtered', completion({ content: 'par' }, 'content_filter')],
    ['cut-off', completion({ content: 'par' }, 'length')],
    ['cut-off', completion({ content: 'par' }, null)],
    ['no-text', completion({ content: '' })],
    ['no-text', completion({ content: 'heard', audio: { id: 'a' } })],
    ['no-text', completion({ content: `${DEFER_ANSWER}\n` })],
    [
      'several-choices',
      { choices: [1, 2].map(() => completion({ content: 'a' }).choices[0]) } as ChatCompletion,
    ],
    ['unreadable', null],
    ['unreadable', { error: {} } as unknown as ChatCompletion],
  ] as const)('is %s', (kind, given) => {
    const outcome = outcomeOf(given)
    expect(outcome).toEqual({ kind })
    expect(targetOf(outcome)).toBe(DEFER_ANSWER)
  })
})
