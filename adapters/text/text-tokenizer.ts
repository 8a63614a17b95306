/**
 * Text to token ids and back, for byte-pair vocabularies from a `tokenizer.json`. Adds two things to
 * the library: control tokens are found only where the caller allows them, and every token has bytes,
 * so that a stream can be cut between the bytes of one character.
 */
import { Tokenizer } from '@huggingface/tokenizers'
import { AppError } from '../../src/errors.ts'
import { LRUCache } from 'lru-cache'

type Encode = (text: string) => number[]

const CUT = /(?<=\S\n)(?=\S)/u
const MAX_CACHE_BYTES = 8 * 2 ** 20
const MAX_LINE_CHARACTERS = 16_384
/** overhead of one entry */
const ENTRY_BYTES = 200

/** Letters of several scripts, a digit, punctuation, a symbol, an apostrophe and an emoji. */
const PROBES = [
  'a',
  'S',
  'ß',
  'ж',
  '語',
  '7',
  '.',
  '!',
  '"',
  "'s",
  '_',
  '-',
  '<',
  '{',
  '+',
  '€',
  '🙂',
]

const keepsLinesApart = (encode: Encode): boolean =>
  PROBES.every((before) =>
    PROBES.every((after) => {
      const apart = [...encode(`x${before}\n`), ...encode(`${after}x`)]
      return apart.join() === encode(`x${before}\n${after}x`).join()
    })
  )

/** @returns a function with a cache of lines; `encode` itself when tokens can span lines */
export const rememberLines = (encode: Encode): Encode => {
  if (!keepsLinesApart(encode)) return encode
  const cache = new LRUCache<string, number[]>({
    maxSize: MAX_CACHE_BYTES,
    sizeCalculation: (ids, line) => 2 * line.length + 8 * ids.length + ENTRY_BYTES,
  })
  const encodeLine = (line: string): number[] => {
    if (line.length > MAX_LINE_CHARACTERS) return encode(line)
    const known = cache.get(line)
    if (known) return known
    const ids = encode(line)
    cache.set(line, ids)
    return ids
  }
  return (text) => text.split(CUT).flatMap(encodeLine)
}

export interface AddedTokenJson {
  id: number
  content: string
  special?: boolean
  lstrip?: boolean
  rstrip?: boolean
  [field: string]: unknown
}

interface StepJson {
  type: string
  [field: string]: unknown
}

/** The parts of `tokenizer.json` that are read here; the library reads the rest. */
export interface TokenizerJson {
  model: {
    type?: string
    vocab: Record<string, number>
    merges: (string | [string, string])[]
    [field: string]: unknown
  }
  added_tokens: AddedTokenJson[]
  normalizer: StepJson | null
  pre_tokenizer: StepJson | null
  decoder: StepJson | null
  post_processor: StepJson | null
  [field: string]: unknown
}

export interface EncodeOptions {
  /** whether control tokens in the text become control tokens; else they are plain text */
  special: boolean
  /** with `special`: a character that breaks up control tokens which users wrote; it is left out */
  guard?: string
  /** whether the text continues other text, so that SentencePiece's `▁` is not put before it */
  continues?: boolean
}

const ENCODER = new TextEncoder()

/** GPT-2's reversible table, character to byte: printable Latin-1 bytes stand for themselves, others from U+0100 on. */
export const byteCharacters = (): Map<string, number> => {
  const table = new Map<string, number>()
  let next = 256
  for (let byte = 0; byte < 256; byte++) {
    const printable =
      (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255)
    table.set(String.fromCodePoint(printable ? byte : next++), byte)
  }
  return table
}

const steps = (step: StepJson | null, list: string): StepJson[] =>
  step === null ? [] : step.type === 'Sequence' ? ((step[list] as StepJson[]) ?? []) : [step]

const isByteLevel = (json: TokenizerJson): boolean =>
  [...steps(json.pre_tokenizer, 'pretokenizers'), ...steps(json.decoder, 'decoders')].some(
    (step) => step.type === 'ByteLevel'
  )

/** Where SentencePiece's `▁` is put: before every stretch between control tokens, or the first. */
const prefixScheme = (json: TokenizerJson): 'always' | 'first' | 'never' => {
  if (steps(json.normalizer, 'normalizers').some((step) => step.type === 'Prepend')) return 'always'
  const metaspace = steps(json.pre_tokenizer, 'pretokenizers').find(
    (step) => step.type === 'Metaspace'
  )
  return metaspace
    ? ((metaspace.prepend_scheme as 'always' | 'first' | 'never') ?? 'always')
    : 'never'
}

/** The same tokenizer for text that continues other text. */
const withoutPrefix = (json: TokenizerJson): TokenizerJson => ({
  ...json,
  normalizer: {
    type: 'Sequence',
    normalizers: steps(json.normalizer, 'normalizers').filter((step) => step.type !== 'Prepend'),
  },
  pre_tokenizer:
    json.pre_tokenizer === null
      ? null
      : {
          type: 'Sequence',
          pretokenizers: steps(json.pre_tokenizer, 'pretokenizers').map((step) =>
            step.type === 'Metaspace' ? { ...step, prepend_scheme: 'never' } : step
          ),
        },
})

const bytesByVocabulary = (json: TokenizerJson): ((token: string) => Uint8Array) => {
  if (!isByteLevel(json)) {
    return (token) => {
      const byte = /^<0x([0-9A-F]{2})>$/.exec(token)
      return byte
        ? Uint8Array.of(Number.parseInt(byte[1]!, 16))
        : ENCODER.encode(token.replaceAll('▁', ' '))
    }
  }
  const table = byteCharacters()
  return (token) => {
    const bytes = Array.from(token, (character) => table.get(character))
    // a token outside the table was added as plain text
    return bytes.includes(undefined) ? ENCODER.encode(token) : Uint8Array.from(bytes as number[])
  }
}

const checkJson = (json: TokenizerJson): void => {
  const type = json.model?.type ?? 'BPE'
  if (type !== 'BPE' || !json.model?.vocab || !json.model.merges)
    throw new AppError(
      'invalid-model',
      `the tokenizer's model is ${type}; only byte-pair (BPE) tokenizers are supported`
    )
}

/** The tokenizer without its control tokens, for plain text. */
const plainEncoder = (
  json: TokenizerJson,
  control: ReadonlySet<number>
): ((text: string) => number[]) => {
  const vocab = Object.fromEntries(
    Object.entries(json.model.vocab).filter(([, id]) => !control.has(id))
  )
  const plain: TokenizerJson = {
    ...json,
    model: { type: 'BPE', ...json.model, vocab },
    added_tokens: json.added_tokens.filter((token) => !control.has(token.id)),
    // its templates would add tokens around the text
    post_processor: null,
    normalizer: json.normalizer ?? null,
    pre_tokenizer: json.pre_tokenizer ?? null,
    decoder: json.decoder ?? null,
  }
  const tokenizer = new Tokenizer(plain, {})
  return rememberLines((text) => tokenizer.encode(text, { add_special_tokens: false }).ids)
}

const escapePattern = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')

/** A pattern with one group that finds the longest of these texts, or null for none. */
const anyOf = (texts: string[]): RegExp | null =>
  texts.length === 0
    ? null
    : new RegExp(
        `(${[...texts]
          .sort((a, b) => b.length - a.length)
          .map(escapePattern)
          .join('|')})`,
        'u'
      )

/** Of control tokens none. */
const bytesById = (
  json: TokenizerJson,
  controls: ReadonlySet<number>
): ReadonlyMap<number, Uint8Array> => {
  const bytesOf = bytesByVocabulary(json)
  const inModel = Object.entries(json.model.vocab).map(
    ([token, id]) => [id, bytesOf(token)] as const
  )
  const added = json.added_tokens.map(
    ({ id, content }) =>
      [id, controls.has(id) ? new Uint8Array() : ENCODER.encode(content)] as const
  )
  return new Map([...inModel, ...added])
}

/**
 * @param control texts of added tokens that are control tokens besides those marked special
 * @param eosIds ids that end a generation
 * @throws AppError `invalid-model` for a tokenizer that is not byte-pair
 */
export const createTextTokenizer = (
  json: TokenizerJson,
  control: readonly string[],
  eosIds: number[]
) => {
  checkJson(json)
  const controlTokens = json.added_tokens.filter(
    // a single character stays text, because a guard cannot be put inside it
    (token) =>
      [...token.content].length > 1 && (token.special === true || control.includes(token.content))
  )
  const controlByText = new Map(controlTokens.map((token) => [token.content, token]))
  const controlSet = new Set(controlTokens.map((token) => token.id))
  const scheme = prefixScheme(json)
  const plain = plainEncoder(json, controlSet)
  const continued = scheme === 'never' ? plain : plainEncoder(withoutPrefix(json), controlSet)
  const pattern = anyOf([...controlByText.keys()])

  const vocabulary = bytesById(json, controlSet)
  const empty = new Uint8Array()

  const encodePlain = (text: string, continues: boolean): number[] =>
    text === '' ? [] : (continues ? continued : plain)(text)

  const encodeSpecial = (text: string, { guard, continues = false }: EncodeOptions): number[] => {
    const pieces = pattern === null ? [text] : text.split(pattern)
    return pieces.flatMap((piece, index) => {
      if (index % 2 === 1) return [controlByText.get(piece)!.id]
      let stretch = guard === undefined ? piece : piece.replaceAll(guard, '')
      if (controlByText.get(pieces[index - 1] ?? '')?.rstrip) stretch = stretch.trimStart()
      if (controlByText.get(pieces[index + 1] ?? '')?.lstrip) stretch = stretch.trimEnd()
      return encodePlain(stretch, index === 0 ? continues : scheme === 'first')
    })
  }

  return {
    /** No token is added at either end. */
    encode: (text: string, options: EncodeOptions): number[] =>
      options.special
        ? encodeSpecial(text, options)
        : encodePlain(text, options.continues ?? false),
    /** The token's bytes of UTF-8, possibly part of a character; empty for control tokens. */
    decodeBytes: (id: number): Uint8Array => vocabulary.get(id) ?? empty,
    decode: (ids: readonly number[]): string => {
      const text = Buffer.concat(ids.map((id) => vocabulary.get(id) ?? empty)).toString('utf8')
      return scheme !== 'never' && text.startsWith(' ') ? text.slice(1) : text
    },
    /** ids that end a generation */
    eosIds,
    /** highest id + 1 */
    vocabSize: [...vocabulary.keys()].reduce((highest, id) => Math.max(highest, id), -1) + 1,
    /** control tokens by their text */
    controlIds: new Map(controlTokens.map((token) => [token.content, token.id])),
  }
}

export type TextTokenizer = ReturnType<typeof createTextTokenizer>
