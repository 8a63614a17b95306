/**
 * A Llama-family model of a GGUF file or a Hugging Face folder: configuration, weights (read lazily),
 * tokenizer, chat template, and the hashes by which loras know it. Knows nothing of how it computes.
 */
import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { AppError } from '../../src/errors.ts'
import { createChatRenderer, type ChatRenderer } from '../text/chat-renderer.ts'
import {
  createTextTokenizer,
  type TextTokenizer,
  type TokenizerJson,
} from '../text/text-tokenizer.ts'
import { readFolderModel } from './folder-model.ts'
import { readGgufModel } from './gguf-model.ts'
import { type LlamaConfig, type ModelParts, modelTensors, parameterCount } from './llama-config.ts'
import { createWeightSource, hashTensors } from './weight-file.ts'

/** A base model without the way in which it computes. */
export interface BaseModel {
  config: LlamaConfig
  tokenizer: TextTokenizer
  chat: ChatRenderer
  /** sha256 over configuration, vocabulary, tensors (a sample of each) and precision; the same everywhere */
  fingerprint: string
  /** sha256 over everything that determines a text's ids */
  tokenizerHash: string
  parameters: number
  /** the file's or folder's name */
  name: string
}

export type OpenedModel = Awaited<ReturnType<typeof openModel>>

/** For clients: of the weights and of how a chat is rendered for them. */
export const systemFingerprint = ({ fingerprint, chat }: BaseModel): string =>
  `fp_${createHash('sha256').update(`${fingerprint}\n${chat.templateHash}`).digest('hex').slice(0, 20)}`

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
  { config, extras, tokenizer, tensors }: ModelParts,
  precision: string
): string => {
  const hash = createHash('sha256')
  hash.update(`${precision}\n`)
  hash.update(JSON.stringify(Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1))))
  const isPlain = Object.keys(extras).length === 0
  if (!isPlain) hash.update(JSON.stringify(extras))
  hash.update(JSON.stringify(tokenizer.model))
  const usual = modelTensors(config).map(({ name }) => name)
  const more = isPlain ? [] : [...tensors.keys()].filter((name) => !usual.includes(name)).sort()
  hashTensors(hash, [...usual, ...more], tensors)
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
 * @throws AppError `invalid-model` with the problem: no such path, another architecture, a
 * missing, ill-shaped or truncated tensor, a tokenizer or template that is missing or unsupported
 */
export const openModel = async (path: string) => {
  const parts = await readParts(path)
  const close = (): void => {
    for (const file of parts.files) file.close()
  }
  try {
    return {
      config: parts.config,
      /** what `config` does not say; {} for a plain Llama */
      extras: parts.extras,
      /** as the files have them */
      weights: createWeightSource(modelTensors(parts.config), parts.tensors),
      ...languageParts(parts),
      /** @param precision in which the weights are used, as a loras' base differs by it */
      fingerprintOf: (precision: string) => fingerprintOf(parts, precision),
      tokenizerHash: tokenizerHashOf(parts.tokenizer),
      parameters: parameterCount(parts.config),
      name: parts.name,
      /** Closes the files; `weights` must not be used afterwards. */
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}
