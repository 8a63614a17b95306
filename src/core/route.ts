/** The live rule: template version → engine, lora, confidence threshold, traffic share. */
import type { Template } from './template.ts'

export type ConfidenceStatistic = 'sum' | 'min'

export interface Route {
  template: Template
  internalizationId: string
  engine: string
  lora: string
  confidence: ConfidenceStatistic
  /** natural-log probability; an answer below it is discarded and the upstream asked */
  threshold: number
  /** the only answers allowed, when the response type is a label */
  labels: string[] | null
  /** 0 to 1, sticky by request hash */
  trafficShare: number
  /** tokens of the full template in the base model's tokenizer, for savings */
  templateTokens: number
}
