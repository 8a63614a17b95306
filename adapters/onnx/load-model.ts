/**
 * Loads a Llama-family model from a GGUF file or a Hugging Face folder: configuration, weights (read
 * lazily), tokenizer and chat template. Knows nothing of graphs, training or serving.
 */
import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { AppError } from '../../src/errors.ts'
import type { LlamaConfig, WeightSource } from '../model/llama-config.ts'
import { modelTensors, parameterCount } from '../model/model-tensors.ts'
import { createChatRenderer, type ChatRenderer } from '../text/chat-renderer.ts'
import { readFolderModel } from '../model/folder-model.ts'
import { readGgufModel } from '../model/gguf-model.ts'
import type { ModelParts } from '../model/model-parts.ts'
import { quantizedWeights } from './quantized-weights.ts'
import { createTextTokenizer, type TextTokenizer, type TokenizerJson } from '../text/text-tokenizer.ts'
import { createWeightSource, hashTensors } from '../model/weight-file.ts'

/** `float32` keeps the weights of the file; `q4` is for large models, see `quantized-weights.ts`. */
export type Precision = 'q4' | 'float32'

/**
 * Below this size, 4 bits make answers worse, most in narrow layers, and save little time or memory;
 * docs/experiments/tiny-model.md has figures.
 */
const SMALLEST_Q4_PARAMETERS = 50e6

export interface LoadedModel {
  config: LlamaConfig
  weights: WeightSource
  tokenizer: TextTokenizer
  chat: ChatRenderer
  /** sha256 over configuration, vocabulary, tensors (a sample of each) and precision; the same everywhere */
  fingerprint: string
  /** sha256 over everything that determines a text's ids */
  tokenizerHash: string
  parameters: number
  /** of the weights */
  precision: Precision
  /** the file's or folder's name */
  name: string
  /** Closes the files; `weights` must not be used afterwards. */
  close(): void
}

/** Added tokens that the template writes are control tokens, even if their flag says otherwise. */
const controlTexts = ({ tokenizer, chatTemplate, templateTokens, eosIds }: ModelParts): string[] =>
  tokenizer.added_tokens
    .filter(
      ({ id, content }) =>
        eosIds.includes(id) ||
        Object.values(templateTokens).includes(content) ||
        chatTemplate.includes(content)
    )
    .map((token) => token.content)

/** The control token that the template writes after an answer; some models do not list it as an end. */
const endOfMessage = (chat: ChatRenderer, tokenizer: TextTokenizer): number | undefined => {
  const question = { role: 'user', content: 'a' }
  const options = { addGenerationPrompt: false, defaultSystem: false }
  const controlIds = new Set(tokenizer.controlIds.values())
  const asked = chat.render([question], options).ids
  const answered = chat.render([question, { role: 'assistant', content: 'b' }], options).ids
  const answer = tokenizer.encode('b', { special: false, continues: true }).at(-1)
  const from = answered.lastIndexOf(answer!, answered.length)
  return from < asked.length ? undefined : answered.slice(from).find((id) => controlIds.has(id))
}

const languageParts = (parts: ModelParts): { tokenizer: TextTokenizer; chat: ChatRenderer } => {
  const { chatTemplate, templateTokens } = parts
  const tokenizer = createTextTokenizer(parts.tokenizer, controlTexts(parts), parts.eosIds)
  const chat = createChatRenderer(chatTemplate, templateTokens, tokenizer)
  const end = endOfMessage(chat, tokenizer)
  const eosIds = [...new Set([...(end === undefined ? [] : [end]), ...parts.eosIds])]
  if (eosIds.length === 0)
    throw new AppError('invalid-model', `${parts.name} names no token that ends a generation`)
  if (tokenizer.vocabSize > parts.config.vocabSize)
    throw new AppError(
      'invalid-model',
      `the tokenizer has ${tokenizer.vocabSize} tokens, the embedding only ${parts.config.vocabSize}; the files belong to different models`
    )
  const complete = { ...tokenizer, eosIds }
  return { tokenizer: complete, chat: createChatRenderer(chatTemplate, templateTokens, complete) }
}

const fingerprintOf = (
  { config, tokenizer, tensors }: ModelParts,
  precision: Precision
): string => {
  const hash = createHash('sha256')
  hash.update(`${precision}\n`)
  hash.update(JSON.stringify(Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1))))
  hash.update(JSON.stringify(tokenizer.model))
  hashTensors(hash, modelTensors(config), tensors)
  return hash.digest('hex')
}

const tokenizerHashOf = ({
  model,
  added_tokens,
  normalizer,
  pre_tokenizer,
}: TokenizerJson): string =>
  createHash('sha256')
    .update(JSON.stringify([model, added_tokens, normalizer, pre_tokenizer]))
    .digest('hex')

const readParts = async (path: string): Promise<ModelParts> => {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats)
    throw new AppError(
      'invalid-model',
      `there is no model at ${path}; give a GGUF file or a Hugging Face folder`
    )
  return stats.isDirectory() ? readFolderModel(path) : readGgufModel(path)
}

/**
 * @param path a GGUF file (F32, F16, BF16, Q8_0, Q4_0, Q4_1) or a Hugging Face folder (F32, F16, BF16)
 * @param wanted `auto` chooses by the size of the model
 * @throws AppError `invalid-model` with the problem: no such path, another architecture, a
 * missing, ill-shaped or truncated tensor, a tokenizer or template that is missing or unsupported
 */
export const loadModel = async (
  path: string,
  wanted: Precision | 'auto' = 'float32'
): Promise<LoadedModel> => {
  const parts = await readParts(path)
  const close = (): void => {
    for (const file of parts.files) file.close()
  }
  try {
    const stored = createWeightSource(modelTensors(parts.config), parts.tensors)
    const parameters = parameterCount(parts.config)
    const precision =
      wanted === 'auto' ? (parameters < SMALLEST_Q4_PARAMETERS ? 'float32' : 'q4') : wanted
    const weights = precision === 'q4' ? quantizedWeights(parts.config, stored) : stored
    return {
      config: parts.config,
      weights,
      ...languageParts(parts),
      fingerprint: fingerprintOf(parts, precision),
      tokenizerHash: tokenizerHashOf(parts.tokenizer),
      parameters,
      precision,
      name: parts.name,
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}
