/** Base models and encoders that are known to work with the embedded engine, by short names. */
export interface KnownModel {
  name: string
  /** on the Hugging Face hub; null: part of the package, in `models/<name>` */
  repository: string | null
  parameters: string
  /** size of all files to download */
  megabytes: number
  licence: string
  /** an encoder is for label heads */
  kind: 'base' | 'encoder'
}

type Row = [name: string, repository: string | null, parameters: string, megabytes: number]

const BASE_MODELS: Row[] = [
  ['tiny', null, '3.9M', 8],
  ['smollm2-135m', 'HuggingFaceTB/SmolLM2-135M-Instruct', '135M', 272],
  ['smollm2-360m', 'HuggingFaceTB/SmolLM2-360M-Instruct', '360M', 726],
  ['tinyllama-1.1b', 'TinyLlama/TinyLlama-1.1B-Chat-v1.0', '1.1B', 2203],
  ['smollm2-1.7b', 'HuggingFaceTB/SmolLM2-1.7B-Instruct', '1.7B', 3425],
]

const ENCODERS: Row[] = [
  ['minilm', 'sentence-transformers/all-MiniLM-L6-v2', '22.6M', 92],
  [
    'multilingual-minilm',
    'sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2',
    '118M',
    480,
  ],
]

const known =
  (kind: KnownModel['kind']) =>
  ([name, repository, parameters, megabytes]: Row): KnownModel => ({
    name,
    repository,
    parameters,
    megabytes,
    licence: 'Apache-2.0',
    kind,
  })

export const KNOWN_MODELS: readonly KnownModel[] = [
  ...BASE_MODELS.map(known('base')),
  ...ENCODERS.map(known('encoder')),
]
