/** Models that the embedded engine is known to run, by short names. */
export interface KnownModel {
  name: string
  /** on the Hugging Face hub; null ships with the package, in `models/<name>` */
  repository: string | null
  parameters: string
  /** of all files that are pulled */
  megabytes: number
  licence: string
}

export const KNOWN_MODELS: readonly KnownModel[] = [
  {
    name: 'tiny',
    repository: null,
    parameters: '3.9M',
    megabytes: 8,
    licence: 'Apache-2.0',
  },
  {
    name: 'smollm2-135m',
    repository: 'HuggingFaceTB/SmolLM2-135M-Instruct',
    parameters: '135M',
    megabytes: 272,
    licence: 'Apache-2.0',
  },
  {
    name: 'smollm2-360m',
    repository: 'HuggingFaceTB/SmolLM2-360M-Instruct',
    parameters: '360M',
    megabytes: 726,
    licence: 'Apache-2.0',
  },
  {
    name: 'tinyllama-1.1b',
    repository: 'TinyLlama/TinyLlama-1.1B-Chat-v1.0',
    parameters: '1.1B',
    megabytes: 2203,
    licence: 'Apache-2.0',
  },
  {
    name: 'smollm2-1.7b',
    repository: 'HuggingFaceTB/SmolLM2-1.7B-Instruct',
    parameters: '1.7B',
    megabytes: 3425,
    licence: 'Apache-2.0',
  },
]
