/** Models that are known to work with the embedded engine, by short names. */
export interface KnownModel {
  name: string
  /** on the Hugging Face hub; null: part of the package, in `models/<name>` */
  repository: string | null
  parameters: string
  /** size of all files to download */
  megabytes: number
  licence: string
}

const ROWS: [name: string, repository: string | null, parameters: string, megabytes: number][] = [
  ['tiny', null, '3.9M', 8],
  ['smollm2-135m', 'HuggingFaceTB/SmolLM2-135M-Instruct', '135M', 272],
  ['smollm2-360m', 'HuggingFaceTB/SmolLM2-360M-Instruct', '360M', 726],
  ['tinyllama-1.1b', 'TinyLlama/TinyLlama-1.1B-Chat-v1.0', '1.1B', 2203],
  ['smollm2-1.7b', 'HuggingFaceTB/SmolLM2-1.7B-Instruct', '1.7B', 3425],
]

export const KNOWN_MODELS: readonly KnownModel[] = ROWS.map(
  ([name, repository, parameters, megabytes]) => ({
    name,
    repository,
    parameters,
    megabytes,
    licence: 'Apache-2.0',
  })
)
