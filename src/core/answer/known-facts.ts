/** What answers of a template may state although no request has it, as a plan and a route keep it. */

/** Of texts that are read for facts; others are read without negations and words for numbers. */
export type Language = 'en' | 'de' | 'fr' | 'es' | 'it'

/** A value of JSON. */
export interface KnownFacts {
  /** of most answers */
  language: Language | null
  /** kinds and normal forms, sorted: `number:14 d`, `url:example.com/help` */
  atoms: readonly string[]
}
