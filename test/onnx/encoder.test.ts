import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { readEncoderTokenizer } from '../../adapters/onnx/encoder/encoder-tokenizer.ts'
import { openEncoder } from '../../adapters/onnx/encoder/sentence-encoder.ts'
import {
  plainEmbedding,
  TINY_VOCABULARY,
  writeTinyBert,
  type TinyBertOptions,
} from '../kit/model/tiny-bert.ts'
import { ownFolder } from '../kit/temporary-folder.ts'

const folderOf = (options: TinyBertOptions): string => {
  const folder = ownFolder()
  writeTinyBert(folder, options)
  return folder
}

const open = async (folder: string, precision: 'float32' | 'q8' = 'float32') => {
  const encoder = await openEncoder(folder, { threads: 1, precision })
  onTestFinished(() => encoder.close())
  return encoder
}

const fingerprintOf = async (options: TinyBertOptions, change?: (folder: string) => void) => {
  const folder = folderOf(options)
  change?.(folder)
  return (await open(folder)).fingerprint
}

const renameToken = (folder: string) => {
  const path = join(folder, 'vocab.txt')
  writeFileSync(path, readFileSync(path, 'utf8').replace('money', 'pounds'))
}

const ids = (...tokens: string[]): number[] =>
  ['[CLS]', ...tokens, '[SEP]'].map((token) => TINY_VOCABULARY.indexOf(token))

const TEXTS: [text: string, tokens: number[]][] = [
  ['My card is lost!', ids('my', 'card', 'is', 'lost', '!')],
  ['transfered cards', ids('transfer', '##ed', 'card', '##s')],
  ['CAFÉ', ids('cafe')],
  ['卡在哪?', ids('卡', '在', '哪', '?')],
  ['unknown card', ids('[UNK]', 'card')],
  ['', ids()],
]

const cosine = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let [product, one, other] = [0, 0, 0]
  for (let k = 0; k < a.length; k++) {
    product += a[k]! * b[k]!
    one += a[k]! ** 2
    other += b[k]! ** 2
  }
  return product / Math.sqrt(one * other)
}

describe('encoder', () => {
  it.each<TinyBertOptions>([
    { seed: 1 },
    { seed: 2, pooling: 'cls' },
    { seed: 3, normalize: false },
    { seed: 4, prefix: 'bert.' },
  ])('gives what a plain forward pass gives: %o', async (options) => {
    const encoder = await open(folderOf(options))
    const { vectors, tokens } = await encoder.encode(TEXTS.map(([text]) => text))
    expect(tokens).toEqual(TEXTS.map(([, own]) => own.length))
    for (const [at, [, own]] of TEXTS.entries()) {
      const plain = plainEmbedding(options, own)
      for (const [k, value] of plain.entries()) expect(vectors[at * 64 + k]).toBeCloseTo(value, 4)
    }
    // the plain pass tells texts apart, so that the comparison means something
    expect(
      cosine(plainEmbedding(options, TEXTS[0]![1]), plainEmbedding(options, TEXTS[3]![1]))
    ).toBeLessThan(0.95)
  })

  it('gives a text the same vector alone and in a batch of longer ones', async () => {
    const encoder = await open(folderOf({ seed: 5 }))
    const texts = ['card', 'my card is lost and the money is lost', ...TEXTS.map(([text]) => text)]
    const { vectors } = await encoder.encode(texts)
    for (const [at, text] of texts.entries()) {
      const alone = await encoder.encode([text])
      for (const [k, value] of alone.vectors.entries())
        expect(vectors[at * 64 + k]).toBeCloseTo(value, 5)
    }
  })

  it('is nearly the same in 8 bits', async () => {
    const folder = folderOf({ seed: 6 })
    const texts = TEXTS.map(([text]) => text)
    const whole = await (await open(folder)).encode(texts)
    const eight = await (await open(folder, 'q8')).encode(texts)
    for (const at of texts.keys()) {
      const [a, b] = [whole, eight].map(({ vectors }) => vectors.subarray(at * 64, (at + 1) * 64))
      expect(cosine(a!, b!)).toBeGreaterThan(0.99)
    }
  })

  it('cuts a long text before its last token and counts what it read', async () => {
    const options = { seed: 7, maxTokens: 8 }
    const encoder = await open(folderOf(options))
    const long = `my card is lost ${'money '.repeat(3000)}`
    const { vectors, tokens } = await encoder.encode([long])
    expect(tokens).toEqual([8])
    const plain = plainEmbedding(options, ids('my', 'card', 'is', 'lost', 'money', 'money'))
    for (const [k, value] of plain.entries()) expect(vectors[k]).toBeCloseTo(value, 4)
    expect(encoder.countTokens(long)).toBe(3006)
  })

  it('encodes more texts than fit in a batch, in their order', async () => {
    const encoder = await open(folderOf({ seed: 8 }))
    const texts = Array.from({ length: 700 }, (_, at) => TEXTS[at % TEXTS.length]![0])
    const { vectors } = await encoder.encode(texts)
    const { vectors: first } = await encoder.encode(TEXTS.map(([text]) => text))
    for (const at of texts.keys())
      expect(vectors[at * 64 + 3]).toBeCloseTo(first[(at % TEXTS.length) * 64 + 3]!, 5)
  })

  it('puts the default prompt of the folder before each text', async () => {
    const folder = folderOf({ seed: 9 })
    const plain = await (await open(folder)).encode(['my card is lost'])
    writeFileSync(
      join(folder, 'config_sentence_transformers.json'),
      JSON.stringify({ prompts: { query: 'my card ' }, default_prompt_name: 'query' })
    )
    const prefixed = await (await open(folder)).encode(['is lost'])
    expect(prefixed).toEqual(plain)
  })

  it('has a fingerprint of weights, vocabulary and pooling', async () => {
    const all = [
      await fingerprintOf({ seed: 1 }),
      await fingerprintOf({ seed: 2 }),
      await fingerprintOf({ seed: 1, pooling: 'cls' }),
      await fingerprintOf({ seed: 1 }, renameToken),
    ]
    expect(new Set(all).size).toBe(4)
    expect(await fingerprintOf({ seed: 1 })).toBe(all[0])
  })
})

const changed =
  (name: string, change: (json: Record<string, unknown>) => void) => (folder: string) => {
    const path = join(folder, name)
    const json = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
    change(json)
    writeFileSync(path, JSON.stringify(json))
  }
const removed = (name: string) => (folder: string) => rmSync(join(folder, name))

describe('bad folders', () => {
  it.each<[string, (folder: string) => void, RegExp]>([
    [
      'no pooling configuration',
      removed('1_Pooling/config.json'),
      /1_Pooling\/config\.json is missing.*copy it from the model's repository/,
    ],
    ['no modules', removed('modules.json'), /modules\.json is missing.*sentence-transformers/],
    [
      'a pooling that is not supported',
      changed('1_Pooling/config.json', (json) => {
        json.pooling_mode_mean_tokens = false
        json.pooling_mode_max_tokens = true
      }),
      /pooling_mode_max_tokens; supported are mean and cls.*use another encoder/,
    ],
    [
      'another architecture',
      changed('config.json', (json) => (json.model_type = 'mpnet')),
      /config\.json: its model_type is "mpnet".*BERT family/,
    ],
    [
      'another activation',
      changed('config.json', (json) => (json.hidden_act = 'relu')),
      /its activation is "relu"/,
    ],
    [
      'heads that do not fit',
      changed('config.json', (json) => (json.num_attention_heads = 5)),
      /cannot be split into 5 heads/,
    ],
    [
      'a vocabulary that is larger than the embedding matrix',
      (folder) =>
        writeFileSync(join(folder, 'vocab.txt'), [...TINY_VOCABULARY, 'more', 'words'].join('\n')),
      /has 32 tokens, the embedding matrix only 30.*different models.*pull the model again/,
    ],
    [
      'an embedding matrix of another size',
      changed('config.json', (json) => (json.vocab_size = 31)),
      /word_embeddings\.weight has shape \[30, 64\], expected \[31, 64\]/,
    ],
    ['no vocabulary', removed('vocab.txt'), /neither tokenizer\.json nor vocab\.txt/],
    [
      'a vocabulary without its special tokens',
      (folder) => writeFileSync(join(folder, 'vocab.txt'), 'a\nb\n'),
      /vocab\.txt lacks \[PAD\]/,
    ],
    [
      'a tokenizer of another kind',
      (folder) => writeFileSync(join(folder, 'tokenizer.json'), '{"model": {"type": "BPE"}}'),
      /tokenizer\.json: its model is BPE; supported are WordPiece and Unigram.*use another encoder/,
    ],
    [
      'a configuration that is not an object',
      (folder) => writeFileSync(join(folder, 'config.json'), 'null'),
      /config\.json is not a JSON object: download it again/,
    ],
    [
      'a size that is not a number',
      changed('sentence_bert_config.json', (json) => (json.max_seq_length = 'long')),
      /sentence_bert_config\.json has no usable max_seq_length \(long\)/,
    ],
    [
      'a layer that the weights lack',
      changed('config.json', (json) => (json.num_hidden_layers = 3)),
      /no tensor encoder\.layer\.2\..* in .*model\.safetensors/,
    ],
    [
      'a tokenizer with a part that is not known',
      (folder) =>
        writeFileSync(
          join(folder, 'tokenizer.json'),
          '{"model": {"type": "WordPiece", "vocab": {}}, "normalizer": {"type": "Other"}}'
        ),
      /tokenizer's files cannot be used \(.*\): download them again/,
    ],
    ['no weights', removed('model.safetensors'), /model\.safetensors is missing/],
    [
      'weights that are cut off',
      (folder) => truncateSync(join(folder, 'model.safetensors'), 100_000),
      /model\.safetensors ends inside tensor .*incomplete.*download it again/,
    ],
    [
      'weights that are not safetensors',
      (folder) => writeFileSync(join(folder, 'model.safetensors'), Buffer.alloc(4000, 7)),
      /damaged or not a safetensors file/,
    ],
    [
      'a header without offsets',
      (folder) => {
        const json = Buffer.from('{"embeddings.word_embeddings.weight": {"dtype": "F32"}}')
        const length = Buffer.alloc(8)
        length.writeBigUInt64LE(BigInt(json.length))
        writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([length, json]))
      },
      /damaged header at embeddings\.word_embeddings\.weight/,
    ],
    [
      'a file where the folder should be',
      (folder) => rmSync(folder, { recursive: true }),
      /no encoder folder.*pull minilm/,
    ],
  ])('are refused with the reason: %s', async (_, change, message) => {
    const folder = folderOf({ seed: 1 })
    change(folder)
    onTestFinished(() => writeTinyBert(folder, { seed: 1 }))
    const error = await openEncoder(folder, { threads: 1 }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'invalid-model',
      message: expect.stringMatching(message) as string,
    })
    // whichever file is at fault, the folder is named
    expect((error as Error).message).toContain(folder)
  })
})

const real = fileURLToPath(new URL('../../models-local/all-MiniLM-L6-v2', import.meta.url))
const hasReal = existsSync(real)

describe('all-MiniLM-L6-v2', () => {
  const why = hasReal ? '' : ' (skipped: models-local/all-MiniLM-L6-v2 is missing)'

  // first numbers of the embedding by a forward pass in numpy, float64
  it.skipIf(!hasReal)(`gives the reference's numbers${why}`, async () => {
    const encoder = await open(real)
    const { vectors } = await encoder.encode(['Hello World', 'Où est ma carte? 我的卡'])
    const first = [
      -0.034477, 0.031023, 0.006735, 0.026109, -0.039362, -0.160302, 0.066924, -0.006441,
    ]
    const second = [
      -0.009967, 0.044783, 0.085943, -0.002398, -0.029429, 0.033746, 0.157102, 0.050689,
    ]
    for (const [k, value] of first.entries()) expect(vectors[k]).toBeCloseTo(value, 5)
    for (const [k, value] of second.entries()) expect(vectors[384 + k]).toBeCloseTo(value, 5)
  })

  // ids by Hugging Face's tokenizers 0.23 (Rust)
  it.skipIf(!hasReal)(`has the reference's tokens${why}`, () => {
    const { encode } = readEncoderTokenizer(real, 30_522)
    expect(encode('我的卡在哪里 card')).toEqual([101, 1855, 1916, 100, 100, 100, 1962, 4003, 102])
    expect(encode('Où est ma carte? naïve CAFÉ')).toEqual([
      101, 15068, 9765, 5003, 11122, 2063, 1029, 15743, 7668, 102,
    ])
    expect(encode("I'm waiting… for £5.00!")).toEqual([
      101, 1045, 1005, 1049, 3403, 1529, 2005, 27813, 1012, 4002, 999, 102,
    ])
    expect(encode(`${'a'.repeat(150)} x`)).toEqual([101, 100, 1060, 102])
  })
})
