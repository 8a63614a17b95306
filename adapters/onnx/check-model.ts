/** Checks that the embedded engine can run a model: loads it and generates one token. */
import { AppError } from '../../src/errors.ts'
import { createGenerator } from './generate/generator.ts'
import type { SampledToken } from '../text/tokens.ts'
import { loadModel, type LoadedModel } from './load-model.ts'

export interface ModelCheck {
  name: string
  parameters: number
  layers: number
  hiddenSize: number
  /** tokens of prompt and completion together */
  contextTokens: number
  vocabulary: number
  /** sha256 by which loras know their base model */
  fingerprint: string
  /** first token of its answer to a greeting, with the natural logarithm of its probability */
  firstToken: string
  firstLogprob: number
}

const GREETING = [{ role: 'user', content: 'Hello!' }]

const firstTokenOf = async (model: LoadedModel) => {
  const { config, weights, chat, tokenizer } = model
  const generator = await createGenerator({
    config,
    weights,
    loadLora: (id) => Promise.reject(new AppError('not-found', `no lora ${id}`)),
  })
  try {
    const request = {
      promptIds: chat.render(GREETING, { addGenerationPrompt: true, defaultSystem: true }).ids,
      lora: null,
      maxTokens: 1,
      sampling: { temperature: 0, topP: 1, seed: 0 },
      topLogprobs: 0,
      constraint: null,
      endIds: [],
      usePrefixCache: false,
    }
    const { value } = await generator.generate(request, new AbortController().signal).next()
    const token = value as SampledToken
    if (!Number.isFinite(token.logprob))
      throw new AppError(
        'invalid-model',
        `${model.name} gives probabilities that are not numbers: its weights are damaged, so download it again`
      )
    return {
      firstToken: tokenizer.decode([token.tokenId]),
      firstLogprob: token.logprob,
      contextTokens: generator.maxPositions,
    }
  } finally {
    await generator.close()
  }
}

/**
 * @param path a GGUF file or a Hugging Face folder
 * @throws AppError `invalid-model` with the missing or wrong part
 */
export const checkModel = async (path: string): Promise<ModelCheck> => {
  const model = await loadModel(path, 'auto')
  try {
    const { name, parameters, config, fingerprint } = model
    return {
      name,
      parameters,
      layers: config.layers,
      hiddenSize: config.hiddenSize,
      vocabulary: config.vocabSize,
      fingerprint,
      ...(await firstTokenOf(model)),
    }
  } finally {
    model.close()
  }
}
