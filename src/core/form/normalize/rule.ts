/** What a rule of normalization is. */

/** A rule turns the words of a message into the text that the answer has. Pure, and it never guesses. */
export interface Rule {
  /** @returns null where the rule does not apply to the text */
  apply: (text: string) => string | null
  /**
   * The words that the rule reads. Null for rules that keep all letters and digits in their order: their values are
   * found by these.
   */
  reads: Reads | null
  /** Values that the rule can make; others are not looked for. */
  makes: RegExp
}

/** Words of a text without case. */
export interface Reads {
  /** Finds the places where what the rule reads can begin; global. */
  starts: RegExp
  /** Whether a word can be a part of it. */
  isPart: (word: string) => boolean
  /** Digits that may stand behind digits without a mark between: 3 for "1 200", 4 for "March 5 2026". */
  digitsBehindDigits?: number
}

/** A rule that reads words of its own. */
export interface ReadingRule extends Rule {
  reads: Reads
}

export const ANY = /^/

const escaped = (text: string): string => text.replace(/[$.+*?^()[\]{}|\\]/g, '\\$&')

/** Whether `\b` is right at both ends. */
const isPlain = (word: string): boolean => /^\w(?:.*\w)?$/.test(word)

/** A pattern that finds words and marks of a list. */
export const wordPattern = (words: Iterable<string>): string => {
  const all = [...words]
  // one group: each alternative with its own `\b` takes four times as long
  const plain = `\\b(?:${all.filter(isPlain).map(escaped).join('|')})\\b`
  return [plain, ...all.filter((word) => !isPlain(word)).map(escaped)].join('|')
}

/** A rule that reads words of a closed list. */
export const tableRule = (values: ReadonlyMap<string, string>, makes: RegExp): ReadingRule => {
  const words = new Set([...values.keys()].flatMap((key) => key.split(/ |(?=[^\p{L}])/u)))
  return {
    apply: (text) =>
      values.get(text.trim().toLowerCase().replace(/\.$/, '').replace(/\s+/gu, ' ')) ?? null,
    reads: {
      starts: new RegExp(wordPattern(values.keys()), 'g'),
      isPart: (word) => words.has(word),
    },
    makes,
  }
}

/** `'eur: € euro euros; …'` as a map from each word to the name. */
export const readTable = (table: string): Map<string, string> =>
  new Map(
    table.split(';').flatMap((line) => {
      const [name = '', ...words] = line.trim().split(/:?\s+/u)
      return words.map((word): [string, string] => [word.replaceAll('_', ' '), name])
    })
  )
