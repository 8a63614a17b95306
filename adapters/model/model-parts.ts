/** What the readers of both file formats give to `open-model.ts`. */
import type { LlamaConfig } from './llama-config.ts'
import type { TemplateTokens } from '../text/chat-template.ts'
import type { TokenizerJson } from '../text/text-tokenizer.ts'
import type { OpenFile, StoredTensor } from './weight-file.ts'

/** Of a configuration, what the embedded engine's graphs cannot compute; absent where there is none. */
export interface ModelExtras {
  /** `qwen2`, `qwen3` */
  model_type?: string
  rope_scaling?: Record<string, unknown>
  attention_bias?: true
  mlp_bias?: true
  hidden_act?: string
}

export interface ModelParts {
  config: LlamaConfig
  extras: ModelExtras
  /** by Hugging Face's names */
  tensors: Map<string, StoredTensor>
  files: OpenFile[]
  tokenizer: TokenizerJson
  chatTemplate: string
  templateTokens: TemplateTokens
  eosIds: number[]
  name: string
}
