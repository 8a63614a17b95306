/**
 * Text to the token ids of an encoder, by Hugging Face's library: WordPiece from tokenizer.json or
 * vocab.txt, or Unigram from tokenizer.json, as multilingual encoders have it.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Tokenizer } from '@huggingface/tokenizers'
import { AppError, toAppError } from '../../../src/errors.ts'
import { readJson, readOptionalJson, type Json } from '../../model/folder-files.ts'

export interface EncoderTokenizer {
  /** Ids with the tokens that mark beginning and end; the text is not cut. */
  encode(text: string): number[]
  /** the id of what the vocabulary lacks; null where no token is for that */
  unknown: number | null
  /** what determines a text's ids, for a fingerprint */
  identity: string
}

const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']

/** The tokenizer.json that Hugging Face's converter makes of BERT's vocab.txt. */
const fromVocabulary = (path: string, config: Json): Json => {
  const tokens = readFileSync(path, 'utf8').trimEnd().split(/\r?\n/)
  const ids = new Map(tokens.map((token, id) => [token, id]))
  const missing = SPECIAL.filter((token) => !ids.has(token))
  if (missing.length > 0)
    throw new AppError(
      'invalid-model',
      `${path} lacks ${missing.join(', ')}; use BERT's vocabulary`
    )
  const marker = (token: string) => ({ id: token, ids: [ids.get(token)], tokens: [token] })
  return {
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(ids),
    },
    added_tokens: SPECIAL.map((content) => ({ id: ids.get(content), content, special: true })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: config.tokenize_chinese_chars ?? true,
      strip_accents: config.strip_accents ?? null,
      lowercase: config.do_lower_case ?? true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '[CLS]', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '[SEP]', type_id: 0 } },
      ],
      pair: [],
      special_tokens: { '[CLS]': marker('[CLS]'), '[SEP]': marker('[SEP]') },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  }
}

const readTokenizerJson = (folder: string, config: Json): Json => {
  const path = join(folder, 'tokenizer.json')
  if (existsSync(path)) return readJson(path)
  const vocabulary = join(folder, 'vocab.txt')
  if (existsSync(vocabulary)) return fromVocabulary(vocabulary, config)
  throw new AppError(
    'invalid-model',
    `${folder} has neither tokenizer.json nor vocab.txt: copy one from the model's repository`
  )
}

const checkModel = (folder: string, json: Json): void => {
  const type = (json.model as Json | null | undefined)?.type
  if (type !== 'WordPiece' && type !== 'Unigram')
    throw new AppError(
      'invalid-model',
      `${join(folder, 'tokenizer.json')}: its model is ${String(type)}; supported are WordPiece and Unigram, so use another encoder`
    )
}

const checkVocabulary = (folder: string, tokenizer: Tokenizer, vocabSize: number): void => {
  let highest = -1
  for (const id of tokenizer.get_vocab(true).values()) highest = Math.max(highest, id)
  if (highest >= vocabSize)
    throw new AppError(
      'invalid-model',
      `${folder}: the tokenizer has ${highest + 1} tokens, the embedding matrix only ${vocabSize}; the files belong to different models, so pull the model again`
    )
}

/** WordPiece names the token, Unigram gives its place. */
const unknownOf = ({ model }: Json, tokenizer: Tokenizer): number | null => {
  const { unk_token: token, unk_id: place } = model as Json
  if (typeof token === 'string') return tokenizer.get_vocab(true).get(token) ?? null
  return typeof place === 'number' ? place : null
}

/**
 * @param vocabSize rows of the embedding matrix
 * @throws AppError `invalid-model` for files that are missing, damaged, of another kind, or have more
 * tokens than the embedding matrix
 */
export const readEncoderTokenizer = (folder: string, vocabSize: number): EncoderTokenizer => {
  const config = readOptionalJson(join(folder, 'tokenizer_config.json'))
  const json = readTokenizerJson(folder, config)
  checkModel(folder, json)
  let tokenizer: Tokenizer
  try {
    tokenizer = new Tokenizer(json, config)
  } catch (cause) {
    throw new AppError(
      'invalid-model',
      `${folder}: the tokenizer's files cannot be used (${toAppError(cause).message}): download them again, or use another encoder`,
      { cause }
    )
  }
  checkVocabulary(folder, tokenizer, vocabSize)
  const { model, added_tokens, normalizer, pre_tokenizer, post_processor } = json
  return {
    encode: (text) => tokenizer.encode(text).ids,
    unknown: unknownOf(json, tokenizer),
    identity: JSON.stringify([model, added_tokens, normalizer, pre_tokenizer, post_processor]),
  }
}
