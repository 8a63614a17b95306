/** What the readers of both file formats give to `load-model.ts`. */
import type { LlamaConfig } from './llama-config.ts'
import type { TemplateTokens } from '../text/chat-template.ts'
import type { TokenizerJson } from '../text/text-tokenizer.ts'
import type { OpenFile, StoredTensor } from './weight-file.ts'

export interface ModelParts {
  config: LlamaConfig
  /** by Hugging Face's names */
  tensors: Map<string, StoredTensor>
  files: OpenFile[]
  tokenizer: TokenizerJson
  chatTemplate: string
  templateTokens: TemplateTokens
  eosIds: number[]
  name: string
}
