import { describe, expect, it } from 'vitest'
import {
  answerFault,
  endingFault,
  mostChars,
  type AnswerRules,
} from '../../src/core/answer/answer-rules.ts'
import { createAnswerFormats } from '../../src/core/answer/schema/answer-schema.ts'
import { DEFER_ANSWER } from '../../src/core/answer/outcome.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'
import { ANSWERS } from '../kit/records/route-rules.ts'

const request = (extra: Partial<ChatRequest> = {}): ChatRequest => ({
  model: 'm',
  messages: [],
  ...extra,
})

const fault = (
  answer: string,
  rules: Partial<AnswerRules>,
  extra: Partial<ChatRequest> = {}
): string | null =>
  answerFault(
    answer,
    request(extra),
    { answers: { ...ANSWERS, ...rules }, template: { tools: '', responseFormat: '' } },
    createAnswerFormats()
  )

describe('an answer', () => {
  it('must be one of the labels, letter by letter', () => {
    const labels = { responseType: 'label', labels: ['card_arrival', 'age_limit'] } as const
    expect(fault('card_arrival', { ...labels, labels: [...labels.labels] })).toBeNull()
    expect(fault('Card_Arrival', { ...labels, labels: [...labels.labels] })).toBe('not-a-label')
  })

  it('is no call that cannot be read, of no other function, and with the arguments of its own', () => {
    const tools = [{ type: 'function', function: { name: 'f' } }]
    expect(fault('[[call]] f {"a":', { responseType: 'calls' }, { tools })).toBe('not-a-call')
    expect(fault('[[call]] g {}', { responseType: 'calls' }, { tools })).toBe('call-not-allowed')
    expect(fault('[[call]] f {"a":1}', {}, { tools })).toBe('not-valid')
    expect(fault('[[call]] f {}', {}, { tools })).toBeNull()
  })

  it('must be JSON where the request asks for it, and where the log has nothing else', () => {
    const json = { response_format: { type: 'json_object' } }
    expect(fault('{"a": 1}', {}, json)).toBeNull()
    expect(fault('{"a": 1', {}, json)).toBe('not-json')
    expect(fault('42', {}, json)).toBe('not-valid')
    expect(fault('{"a": 1}', { responseType: 'json' })).toBeNull()
    expect(fault('sorry', { responseType: 'json' })).toBe('not-json')
    expect(fault('free text', {}, { response_format: { type: 'text' } })).toBeNull()
  })

  it('must not be cut code, empty, or far longer than any that was logged', () => {
    expect(fault('echo "(" | wc', { responseType: 'code' })).toBeNull()
    expect(fault('find . -name "*.c', { responseType: 'code' })).toBe('unbalanced')
    expect(fault(' \n', {})).toBe('empty')
    const maxChars = mostChars(10)
    expect(fault('x'.repeat(40), { maxChars })).toBeNull()
    expect(fault('x'.repeat(41), { maxChars })).toBe('too-long')
  })

  it('may say that the upstream should answer', () => {
    expect(fault(`${DEFER_ANSWER}\n`, { labels: ['a'] })).toBe('deferred')
  })
})

describe('the end of an answer', () => {
  it('must be whole and have log-probabilities', () => {
    expect(endingFault('stop', 3)).toBeNull()
    expect(endingFault('length', 3)).toBe('length')
    expect(endingFault('tool_calls', 3)).toBe('engine-error')
    expect(endingFault(null, 3)).toBe('engine-error')
    expect(endingFault('stop', 0)).toBe('no-logprobs')
  })
})
