/** Answers of a host name tokens by their texts; each has to be the text of an id. */
import { describe, expect, it } from 'vitest'
import {
  readAnswer,
  readScores,
  type Vocabulary,
} from '../../adapters/publish/hosted/hosted-wire.ts'

/** Half a letter each. */
const [U1, U2] = [5, 6]
const TOKENS = new Map<number, number[]>([
  [1, [...Buffer.from('ca')]],
  [2, [...Buffer.from('rd')]],
  [3, [...Buffer.from('card')]],
  [4, [...Buffer.from('!')]],
  [U1, [0xc3]],
  [U2, [0xbc]],
])
const END = 9

/** Takes the longest token that fits. */
const encode = (text: string): number[] => {
  const bytes = [...Buffer.from(text)]
  const ids: number[] = []
  while (bytes.length > 0) {
    const fitting = [...TOKENS].filter(([, own]) => own.every((byte, at) => byte === bytes[at]))
    const [id, own] = fitting.toSorted(([, a], [, b]) => b.length - a.length)[0] ?? [0, [0]]
    ids.push(id)
    bytes.splice(0, own.length)
  }
  return ids
}

const vocabulary: Vocabulary = {
  encode,
  decodeBytes: (id) => Uint8Array.from(TOKENS.get(id) ?? []),
  eosIds: [END],
  controlIds: new Map([['<end>', END]]),
}

const answerOf = (text: string, tokens: string[], finish_reason = 'stop', changes = {}) => ({
  choices: [
    {
      text,
      finish_reason,
      logprobs: { tokens, token_logprobs: tokens.map(() => -0.5), ...changes },
    },
  ],
})

const idsOf = (answer: unknown): number[] =>
  readAnswer(answer, 2, vocabulary).tokens.map(({ tokenId }) => tokenId)

describe('readAnswer', () => {
  it.each([
    ['as its text', 'card!', ['card', '!', '<end>'], [3, 4, END]],
    ['as nothing', 'card!', ['card', '!', ''], [3, 4, END]],
    ['not at all', 'card!', ['card', '!'], [3, 4]],
  ])('reads an end token that comes %s', (_, text, tokens, ids) => {
    expect(idsOf(answerOf(text, tokens))).toEqual(ids)
  })

  it('reads characters that are cut into halves, and texts that are cut in another way', () => {
    expect(idsOf(answerOf('ü!', ['\uFFFD', '\uFFFD', '!'], 'length'))).toEqual([U1, U2, 4])
    expect(idsOf(answerOf('card!', ['ca', 'rd', '!'], 'length'))).toEqual([1, 2, 4])
  })

  it('names alternatives that are tokens, the best first', () => {
    const top_logprobs = [{ '!': -3, '<end>': -1, strange: -2 }]
    const answer = answerOf('card', ['card'], 'length', { top_logprobs })
    const top = readAnswer(answer, 5, vocabulary).tokens[0]!.top
    expect(top.map(({ tokenId }) => tokenId)).toEqual([END, 4])
  })

  it.each([
    ['of other tokens', answerOf('card', ['ca', '!'])],
    ['of fewer tokens than there are', answerOf('card', ['card'], 'stop', { token_logprobs: [] })],
    ['that are not numbers', answerOf('card', ['card'], 'stop', { token_logprobs: [null] })],
    ['of half a character', answerOf('\uFFFD', ['\uFFFD'], 'length')],
    ['that are missing', { choices: [{ text: 'card', finish_reason: 'stop', logprobs: null }] }],
    ['of nothing', { choices: [] }],
  ])('refuses log-probabilities %s', (_, answer) => {
    expect(() => readAnswer(answer, 0, vocabulary)).toThrow(/not served/)
  })
})

const given = (tokens: string[], token_logprobs: (number | null)[]) =>
  answerOf('', tokens, 'length', { token_logprobs })

describe('readScores', () => {
  it('reads those of the given ids, and not of the generated one', () => {
    expect(readScores(given(['ca', 'rd', 'x'], [null, -1, -9]), [1, 2], vocabulary)).toEqual([-1])
  })

  it.each([
    ['of other ids', given(['card', '!', 'x'], [null, -1, -1])],
    // a server that puts a token of its own before the prompt
    ['of more ids', given(['<end>', 'ca', 'rd', 'x'], [null, -1, -1, -1])],
    ['of none', given(['ca', 'rd', 'x'], [null, null, -1])],
  ])('refuses those %s', (_, answer) => {
    expect(() => readScores(answer, [1, 2], vocabulary)).toThrow(/not served/)
  })
})
