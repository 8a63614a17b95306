/**
 * The tokenizer inside a GGUF file, as the `tokenizer.json` it was made from. Knows nothing of
 * tensors. Pre-tokenizer patterns: llama.cpp, src/llama-vocab.cpp.
 */
import { AppError } from '../../src/errors.ts'
import type { AddedTokenJson, TokenizerJson } from '../text/text-tokenizer.ts'

/** llama.cpp's token types that matter here. */
const CONTROL = 3
const USER_DEFINED = 4

const GPT2_PATTERN =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
const LLAMA3_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
const QWEN2_PATTERN = LLAMA3_PATTERN.replace('\\p{N}{1,3}', '\\p{N}')
const DIGIT = '\\p{N}'

/** Patterns that split the text one after the other, by `tokenizer.ggml.pre`. */
const PRE_TOKENIZERS: Record<string, { patterns: string[]; ignoreMerges?: boolean }> = {
  default: { patterns: ['[\\p{P}\\$\\+<=>\\^~\\|]+', GPT2_PATTERN, '\\p{N}+', '[0-9][0-9][0-9]'] },
  'gpt-2': { patterns: [GPT2_PATTERN] },
  smollm: { patterns: [DIGIT, GPT2_PATTERN] },
  starcoder: { patterns: [DIGIT, GPT2_PATTERN] },
  refact: { patterns: [DIGIT, GPT2_PATTERN] },
  'llama-bpe': { patterns: [LLAMA3_PATTERN], ignoreMerges: true },
  'llama-v3': { patterns: [LLAMA3_PATTERN], ignoreMerges: true },
  llama3: { patterns: [LLAMA3_PATTERN], ignoreMerges: true },
  qwen2: { patterns: [QWEN2_PATTERN] },
}

type Metadata = Readonly<Record<string, unknown>>

const list = <Item>(metadata: Metadata, key: string): Item[] => {
  const value = metadata[key]
  if (!Array.isArray(value))
    throw new AppError('invalid-model', `the GGUF file has no ${key}, so its tokenizer is missing`)
  return value as Item[]
}

const addedTokens = (tokens: string[], types: number[]): AddedTokenJson[] =>
  tokens.flatMap((content, id) =>
    types[id] === CONTROL || types[id] === USER_DEFINED
      ? [{ id, content, special: types[id] === CONTROL }]
      : []
  )

/** Byte-level byte-pair encoding, GPT-2's family. */
const byteLevelTokenizer = (metadata: Metadata, tokens: string[]): TokenizerJson => {
  const pre = String(metadata['tokenizer.ggml.pre'] ?? 'default')
  const rule = PRE_TOKENIZERS[pre]
  if (!rule)
    throw new AppError(
      'invalid-model',
      `the GGUF file's pre-tokenizer "${pre}" is not supported (known: ${Object.keys(PRE_TOKENIZERS).join(', ')}); load the model from a Hugging Face folder with tokenizer.json instead`
    )
  return {
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: list<string>(metadata, 'tokenizer.ggml.merges'),
      ignore_merges: rule.ignoreMerges ?? false,
    },
    added_tokens: addedTokens(tokens, list<number>(metadata, 'tokenizer.ggml.token_type')),
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        ...rule.patterns.map((pattern) => ({
          type: 'Split',
          pattern: { Regex: pattern },
          behavior: 'Isolated',
          invert: false,
        })),
        { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
      ],
    },
    decoder: { type: 'ByteLevel' },
    post_processor: null,
  }
}

/**
 * SentencePiece stores scores where byte-pair files store merges: a merge is any split of a token
 * into two tokens, and better scores merge first (transformers, convert_slow_tokenizer.py).
 */
const mergesFromScores = (
  tokens: string[],
  scores: number[],
  ids: ReadonlyMap<string, number>
): [string, string][] => {
  const merges: { pair: [string, string]; score: number; left: number; right: number }[] = []
  tokens.forEach((token, id) => {
    const characters = Array.from(token)
    for (let cut = 1; cut < characters.length; cut++) {
      const pair: [string, string] = [
        characters.slice(0, cut).join(''),
        characters.slice(cut).join(''),
      ]
      const left = ids.get(pair[0])
      const right = ids.get(pair[1])
      if (left !== undefined && right !== undefined)
        merges.push({ pair, score: scores[id] ?? 0, left, right })
    }
  })
  return merges
    .sort((a, b) => b.score - a.score || a.left - b.left || a.right - b.right)
    .map((merge) => merge.pair)
}

const sentencePieceTokenizer = (metadata: Metadata, tokens: string[]): TokenizerJson => {
  const ids = new Map(tokens.map((token, id) => [token, id]))
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: '▁' }
  const prefix = metadata['tokenizer.ggml.add_space_prefix'] !== false
  return {
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(ids),
      merges: mergesFromScores(tokens, list<number>(metadata, 'tokenizer.ggml.scores'), ids),
      byte_fallback: true,
      fuse_unk: true,
      unk_token: tokens[Number(metadata['tokenizer.ggml.unknown_token_id'] ?? 0)],
    },
    added_tokens: addedTokens(tokens, list<number>(metadata, 'tokenizer.ggml.token_type')),
    normalizer: {
      type: 'Sequence',
      normalizers: [...(prefix ? [{ type: 'Prepend', prepend: '▁' }] : []), replace],
    },
    pre_tokenizer: null,
    decoder: null,
    post_processor: null,
  }
}

/** @throws AppError `invalid-model` for a vocabulary that is missing or of another kind */
export const ggufTokenizerJson = (metadata: Metadata): TokenizerJson => {
  const tokens = list<string>(metadata, 'tokenizer.ggml.tokens')
  const kind = String(metadata['tokenizer.ggml.model'])
  if (kind === 'gpt2') return byteLevelTokenizer(metadata, tokens)
  if (kind === 'llama') return sentencePieceTokenizer(metadata, tokens)
  throw new AppError(
    'invalid-model',
    `the GGUF file's tokenizer "${kind}" is not supported (known: gpt2, llama)`
  )
}
