/**
 * A tiny encoder with the files of `multilingual-minilm` (paraphrase-multilingual-MiniLM-L12-v2): BERT with
 * XLM-R's kind of tokenizer, and more rows in the embedding matrix than there are tokens. The parts of
 * tokenizer.json are those of the model's own file; words, scores and weights are not.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeTinyBert, type TinyBertOptions } from './tiny-bert.ts'

/** Words and their scores: logarithms, larger is likelier. The place is the id. */
export const UNIGRAM_VOCABULARY: [token: string, score: number][] = [
  ['<s>', 0],
  ['<pad>', 0],
  ['</s>', 0],
  ['<unk>', 0],
  ['▁', -2],
  [',', -3],
  ['?', -3],
  ['我', -5],
  ['的', -4],
  ['卡', -7],
  ['在', -4],
  ['哪', -6],
  ['里', -5],
  ['哪里', -8],
  ['我的', -8],
  ['的卡', -12],
  ['▁我', -6.5],
  ['▁我的', -11],
  ['▁Wo', -7],
  ['▁ist', -6],
  ['▁mein', -7],
  ['▁meine', -10.5],
  ['e', -4],
  ['▁Kar', -9],
  ['te', -5],
  ['▁Karte', -15],
  ['▁Ü', -8],
  ['ber', -6],
  ['▁Über', -13],
  ['weis', -9],
  ['ung', -5],
  ['weisung', -14.5],
  ['<mask>', 0],
]

/** The real model has 250,002 tokens and 250,037 rows. */
const UNUSED_ROWS = 35

export const MULTILINGUAL: TinyBertOptions = {
  seed: 11,
  normalize: false,
  maxTokens: 24,
  vocabulary: UNIGRAM_VOCABULARY.length + UNUSED_ROWS,
}

const special = (content: string) => ({
  id: UNIGRAM_VOCABULARY.findIndex(([token]) => token === content),
  special: true,
  content,
  single_word: false,
  lstrip: content === '<mask>',
  rstrip: false,
  normalized: false,
})

const marker = (id: string) => ({ SpecialToken: { id, type_id: 0 } })
const sequence = (id: string) => ({ Sequence: { id, type_id: 0 } })
const METASPACE = { type: 'Metaspace', replacement: '▁', add_prefix_space: true }

const TOKENIZER = {
  version: '1.0',
  truncation: { max_length: 128, strategy: 'LongestFirst', stride: 0 },
  padding: {
    strategy: 'BatchLongest',
    direction: 'Right',
    pad_to_multiple_of: null,
    pad_id: 1,
    pad_type_id: 0,
    pad_token: '<pad>',
  },
  added_tokens: ['<s>', '<pad>', '</s>', '<unk>', '<mask>'].map(special),
  normalizer: { type: 'Precompiled', precompiled_charsmap: '' },
  pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, METASPACE] },
  post_processor: {
    type: 'TemplateProcessing',
    single: [marker('<s>'), sequence('A'), marker('</s>')],
    pair: [
      marker('<s>'),
      sequence('A'),
      marker('</s>'),
      marker('</s>'),
      sequence('B'),
      marker('</s>'),
    ],
    special_tokens: {
      '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] },
      '</s>': { id: '</s>', ids: [2], tokens: ['</s>'] },
    },
  },
  decoder: METASPACE,
  model: { type: 'Unigram', unk_id: 3, vocab: UNIGRAM_VOCABULARY },
}

/** Creates the folder. */
export const writeTinyMultilingual = (folder: string): void => {
  writeTinyBert(folder, MULTILINGUAL)
  rmSync(join(folder, 'vocab.txt'))
  const write = (name: string, value: unknown): void =>
    writeFileSync(join(folder, name), JSON.stringify(value))
  write('tokenizer.json', TOKENIZER)
  write('tokenizer_config.json', {
    bos_token: '<s>',
    eos_token: '</s>',
    sep_token: '</s>',
    cls_token: '<s>',
    unk_token: '<unk>',
    pad_token: '<pad>',
    model_max_length: 512,
  })
}
