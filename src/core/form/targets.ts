/** What a field head reads, learns and says of one row. */

/** Where values may be copied from: the query first, then kept slots of the prompt. */
export interface Source {
  name: string
  text: string
}

/** Of one row. */
export interface Targets {
  /**
   * For each word of each source in turn: 0 outside, 1 + 2·f begins copied field f, 2 + 2·f continues
   * it.
   */
  tags: Int32Array
  /** class of each choice */
  choices: Int32Array
}

/** The sizes of a form. */
export interface FormSizes {
  /** how many copied fields */
  fields: number
  /** how many classes each choice has */
  choices: number[]
}

/** Scores of one row, natural logarithms of probabilities. */
export interface FieldScores {
  /** `[words, 1 + 2·fields]` */
  tags: Float32Array
  /** one array a choice, `[classes]` */
  choices: Float32Array[]
}
