/** What makes features of texts for a scan's heads. */
import { HASHED_DIMS, hashedFeatures } from '../../core/learn/hashed-features.ts'
import type { Encoder } from '../../core/scan/head.ts'

/** Needs no model, and knows no words that mean the same: a sentence encoder mostly covers more. */
export const hashedEncoder: Encoder = {
  name: 'hashed words and characters (no sentence encoder, which mostly covers more)',
  dims: HASHED_DIMS,
  encode: async (texts) => hashedFeatures(texts),
}
