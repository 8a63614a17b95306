import { describe, expect, it } from 'vitest'
import { chooseAmong, readSampled, readScores } from '../../adapters/publish/tinker/tinker-wire.ts'
import { createChoices } from '../../adapters/text/constraint/constraint.ts'
import type { GenerationRequest, SampledToken } from '../../adapters/text/tokens.ts'

const END = 2
const request: GenerationRequest = {
  promptIds: [5, 6],
  lora: null,
  maxTokens: 3,
  sampling: { temperature: 0, topP: 1, seed: 1 },
  topLogprobs: 0,
  constraint: null,
  endIds: [END],
  usePrefixCache: true,
}
const answer = { tokens: [7, END], logprobs: [-0.5, -0.1], top: null, reason: 'stop', cached: 1 }

describe('a sample of the provider', () => {
  it('is read', () => {
    expect(readSampled(answer, request, 10)).toEqual({
      tokens: [
        { tokenId: 7, logprob: -0.5, top: [] },
        { tokenId: END, logprob: -0.1, top: [] },
      ],
      finishReason: 'stop',
      cachedTokens: 1,
    })
  })

  it('has the likeliest tokens first, as many as were asked for', () => {
    const top = [
      [
        [8, -2],
        [7, -0.5],
        [9, -3],
      ],
      [[END, -0.1]],
    ]
    const { tokens } = readSampled({ ...answer, top }, { ...request, topLogprobs: 2 }, 10)
    expect(tokens[0]!.top.map(({ tokenId }) => tokenId)).toEqual([7, 8])
  })

  it.each([
    ['fewer log-probabilities than tokens', { logprobs: [-0.5] }],
    ['no log-probabilities', { logprobs: null }],
    ['a log-probability above 0', { logprobs: [0.5, -0.1] }],
    ['a log-probability that is no number', { logprobs: [null, -0.1] }],
    ['a token that the model does not have', { tokens: [10, END] }],
    ['more tokens than were asked for', { tokens: [7, 7, 7, 7], logprobs: [-1, -1, -1, -1] }],
    ['tokens after the end', { tokens: [END, 7] }],
    ['another reason', { reason: 'tired' }],
  ])('is refused with %s', (_, changes) => {
    expect(() => readSampled({ ...answer, ...changes }, request, 10)).toThrow('unexpected form')
  })

  it('is refused without the alternatives that were asked for', () => {
    expect(() => readSampled(answer, { ...request, topLogprobs: 1 }, 10)).toThrow('alternatives')
  })
})

describe('scores of the provider', () => {
  it('are those of the last tokens', () => {
    expect(readScores({ logprobs: [null, -1, -2, -3] }, [1, 2, 3, 4], 2)).toEqual([-2, -3])
  })

  it.each([
    ['a wrong count', { logprobs: [null, -1, -2] }],
    ['a token without one', { logprobs: [null, -1, -2, null] }],
    ['nothing', {}],
  ])('are refused with %s', (_, scores) => {
    expect(() => readScores(scores, [1, 2, 3, 4], 2)).toThrow('unexpected form')
  })
})

const choose = async (
  encodings: number[][],
  scores: Record<string, number[]>,
  changes: Partial<GenerationRequest> = {}
): Promise<{ tokens: SampledToken[]; asked: string[] }> => {
  const asked: string[] = []
  const score = async (ids: readonly number[], candidates: readonly number[]) => {
    asked.push(`${ids.join()}|${candidates.join()}`)
    return scores[ids.join()]!
  }
  const tokens: SampledToken[] = []
  const chosen = chooseAmong(createChoices(encodings, END), { ...request, ...changes }, score)
  for await (const token of chosen) tokens.push(token)
  return { tokens, asked }
}

describe('a choice among given answers', () => {
  it('takes the likeliest, with probabilities among the choices, and asks only where there are several', async () => {
    const { tokens, asked } = await choose([[7, 8], [7, 9], [4]], {
      '5,6': [-3, -4],
      '5,6,7': [-2, -1],
    })
    expect(tokens.map(({ tokenId }) => tokenId)).toEqual([7, 9, END])
    expect(tokens[0]!.logprob).toBeCloseTo(-Math.log(1 + Math.exp(-1)))
    expect(tokens[2]!.logprob).toBe(0)
    expect(asked).toEqual(['5,6|7,4', '5,6,7|8,9'])
  })

  it('draws with the seed at a temperature', async () => {
    const scores = { '5,6': [-1, -1] }
    const drawn = await Promise.all(
      Array.from({ length: 20 }, async (_, seed) => {
        const sampling = { temperature: 1, topP: 1, seed }
        return (await choose([[7], [8]], scores, { sampling })).tokens[0]!.tokenId
      })
    )
    expect(new Set(drawn)).toEqual(new Set([7, 8]))
  })

  it('stops where the tokens run out', async () => {
    expect((await choose([[7, 8, 9, 7]], {}, { maxTokens: 2 })).tokens).toHaveLength(2)
  })

  it('refuses more beginnings than are asked for', async () => {
    const many = Array.from({ length: 257 }, (_, id) => [id + 3])
    await expect(choose(many, {})).rejects.toMatchObject({ code: 'invalid-request' })
  })
})
