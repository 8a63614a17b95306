/** The interface of a sentence encoder, on which label heads are trained. */

export interface Encoded {
  /** `[texts, dims]`, row-major */
  vectors: Float32Array
  /** tokens that were read of each text */
  tokens: number[]
  /** texts that were longer, and were cut */
  cut: number
}

export interface SentenceEncoder {
  /** as a model's id */
  id: string
  parameters: number
  /** of weights and rendering; a head belongs to one fingerprint */
  fingerprint: string
  dims: number
  /** a text is cut to so many tokens */
  maxTokens: number
  /** Any number of texts; memory does not grow with them, except for the result. */
  encode(texts: readonly string[]): Promise<Encoded>
  /** of the whole text, also beyond `maxTokens` */
  countTokens(text: string): number
  close(): Promise<void>
}
