/** What a rule of normalization is. */

/** A rule turns the words of a message into the text that the answer has. Pure, and it never guesses. */
export interface Rule {
  /** @returns null where the rule does not apply to the text */
  apply: (text: string) => string | null
  /**
   * Whether a word in lower case can be a part of what the rule reads. Null for rules that keep all letters and
   * digits in their order: their values are found by these.
   */
  isPart: ((word: string) => boolean) | null
  /** Values that the rule can make; others are not looked for. */
  makes: RegExp
}

/** A rule that reads words of its own. */
export interface ReadingRule extends Rule {
  isPart: (word: string) => boolean
}

export const ANY = /^/

/** A rule that reads words of a closed list. */
export const tableRule = (values: ReadonlyMap<string, string>, makes: RegExp): ReadingRule => {
  const words = new Set([...values.keys()].flatMap((key) => key.split(/ |(?=[^\p{L}])/u)))
  return {
    apply: (text) =>
      values.get(text.trim().toLowerCase().replace(/\.$/, '').replace(/\s+/gu, ' ')) ?? null,
    isPart: (word) => words.has(word),
    makes,
  }
}

/** `'eur: € euro euros; …'` as a map from each word to the name. */
export const readTable = (table: string): Map<string, string> =>
  new Map(
    table.split(';').flatMap((line) => {
      const [name, ...words] = line.trim().split(/:?\s+/u)
      return words.map((word): [string, string] => [word.replaceAll('_', ' '), name!])
    })
  )
