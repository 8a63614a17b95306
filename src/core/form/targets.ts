/** What a model learns of a row and what it says of one; the border between forms and encoders. */

/** Of one row. */
export interface Targets {
  /** for each word of each source in turn: 0 outside, 1 + 2·f begins copied field f, 2 + 2·f continues it */
  tags: Int32Array
  /** class of each choice */
  choices: Int32Array
}

/** The sizes of a form. */
export interface FormSizes {
  /** copied fields */
  fields: number
  /** classes of each choice */
  choices: number[]
}

/** Scores of one row: natural logarithms of probabilities. */
export interface FieldScores {
  /** `[words, 1 + 2 · fields]`, rows sum to 1 as probabilities */
  tags: Float32Array
  /** one array a choice, `[classes]` */
  choices: Float32Array[]
}

/** The tag of a field's first word. */
export const beginOf = (field: number): number => 1 + 2 * field

/** The tag of a field's further words. */
export const insideOf = (field: number): number => 2 + 2 * field

/** Two answers of one kind have the same fields, and the same class of each choice. */
export const kindOf = ({ tags, choices }: Targets): string => {
  const begun = new Set(tags.filter((tag) => tag % 2 === 1))
  return JSON.stringify([[...choices], [...begun].toSorted((one, other) => one - other)])
}
