/** The encoder of `promptintern models pull multilingual-minilm`, by a folder with the same kinds of files. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { readEncoderTokenizer } from '../../adapters/onnx/encoder/encoder-tokenizer.ts'
import { openEncoder } from '../../adapters/onnx/encoder/sentence-encoder.ts'
import { startFakeHub } from '../kit/model/hub.ts'
import { plainEmbedding } from '../kit/model/tiny-bert.ts'
import {
  MULTILINGUAL,
  UNIGRAM_VOCABULARY,
  writeTinyMultilingual,
} from '../kit/model/tiny-multilingual.ts'
import { runCli } from '../kit/process/built.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const root = sharedFolder()
const folder = join(root, 'tiny')
beforeAll(() => writeTinyMultilingual(folder))

const tokenizer = () => readEncoderTokenizer(folder, MULTILINGUAL.vocabulary!)
const tokensOf = (text: string): string[] =>
  tokenizer()
    .encode(text)
    .map((id) => UNIGRAM_VOCABULARY[id]![0])

const SCORES = new Map(UNIGRAM_VOCABULARY)

/** All ways to split a word into known tokens, by trying each; the best one. */
const bestSplit = (word: string): { tokens: string[]; score: number } | null => {
  if (word === '') return { tokens: [], score: 0 }
  let best: { tokens: string[]; score: number } | null = null
  for (let end = 1; end <= word.length; end++) {
    const token = word.slice(0, end)
    const score = SCORES.get(token)
    const rest = score === undefined ? null : bestSplit(word.slice(end))
    if (rest === null || score === undefined) continue
    const all = { tokens: [token, ...rest.tokens], score: score + rest.score }
    if (best === null || all.score > best.score) best = all
  }
  return best
}

describe('a Unigram tokenizer', () => {
  it.each([
    // ▁我的 −11; ▁ 我的 −10; ▁我 的 −10.5; and 我的 卡 −15 is better than 我 的卡 −17
    ['Chinese', '我的卡在哪里？', ['▁', '我的', '卡', '在', '哪里', '?']],
    // ▁meine −10.5, ▁mein e −11; ▁Kar te −14, ▁Karte −15
    ['German', 'Wo ist meine Karte?', ['▁Wo', '▁ist', '▁meine', '▁Kar', 'te', '?']],
    // ▁Über −13, ▁Ü ber −14; weis ung −14, weisung −14.5
    ['an umlaut in two characters', 'U\u0308berweisung', ['▁Über', 'weis', 'ung']],
    ['full-width signs and blanks', '卡　在，哪', ['▁', '卡', '▁', '在', ',', '哪']],
    ['characters that it does not know, as one', '卡鹂鹂卡', ['▁', '卡', '<unk>', '卡']],
    ['nothing', ' ', []],
  ])('splits %s by the best sum of scores', (_, text, tokens) => {
    expect(tokensOf(text)).toEqual(['<s>', ...tokens, '</s>'])
  })

  it('finds what trying all splits finds', () => {
    const words = [
      '我的卡在哪里',
      '的卡的卡我的',
      '哪里里哪我我的',
      'Überweisung',
      'Kartee',
      'meineung',
    ]
    for (const word of words)
      expect(tokensOf(word).slice(1, -1)).toEqual(bestSplit(`▁${word}`)?.tokens)
  })
})

describe('its encoder', () => {
  it('gives what a plain forward pass gives, for Chinese and German', async () => {
    const encoder = await openEncoder(folder, { threads: 1, precision: 'float32' })
    const texts = ['我的卡在哪里？', 'Wo ist meine Karte?', 'U\u0308berweisung']
    const { vectors, tokens, cut } = await encoder.encode(texts)
    await encoder.close()
    expect([tokens, cut]).toEqual([[8, 8, 5], 0])
    for (const [at, text] of texts.entries()) {
      const plain = plainEmbedding(MULTILINGUAL, tokenizer().encode(text))
      for (const [k, value] of plain.entries()) expect(vectors[at * 64 + k]).toBeCloseTo(value, 4)
    }
  })

  it('cuts a long text at its own limit, and not at that of the tokenizer file', async () => {
    const encoder = await openEncoder(folder, { threads: 1 })
    const long = '卡'.repeat(500)
    const { tokens, cut } = await encoder.encode([long, '卡'])
    expect([tokens, cut, encoder.countTokens(long)]).toEqual([[24, 4], 1, 503])
    await encoder.close()
  })
})

describe('promptintern models pull multilingual-minilm', () => {
  it('gets the files that the encoder needs and none of the other formats, and models check loads them', async () => {
    const names = readdirSync(folder, { recursive: true }).map(String).sort()
    const needed = names.filter((name) => name !== '1_Pooling')
    const others = ['pytorch_model.bin', 'tf_model.h5', 'unigram.json', 'onnx/model.onnx']
    const files = Object.fromEntries([
      ...needed.map((name) => [name, readFileSync(join(folder, name))]),
      ...others.map((name) => [name, Buffer.from(name)]),
    ]) as Record<string, Buffer>
    const hub = await startFakeHub(
      files,
      'sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2'
    )
    const env = { HF_ENDPOINT: hub.endpoint, DATA_DIR: join(root, 'data') }
    try {
      const pulled = await runCli(env, 'models', 'pull', 'multilingual-minilm', '--json')
      const { path } = JSON.parse(pulled) as { path: string }
      expect(readdirSync(path, { recursive: true }).map(String).sort()).toEqual(names)
      const checked = await runCli(env, 'models', 'check', path, '--json')
      expect(JSON.parse(checked)).toMatchObject({
        name: 'sentence-transformers--paraphrase-multilingual-MiniLM-L12-v2',
        vocabulary: MULTILINGUAL.vocabulary,
        pooling: 'mean',
        contextTokens: 24,
      })
    } finally {
      await hub.close()
    }
  })
})
