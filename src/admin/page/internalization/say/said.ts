/** What the head of an internalization says. */
export interface Said {
  /** one paragraph each, the most important first */
  says: string[]
  /** what would help; null: nothing has to be helped */
  helps: string | null
  /** a record that shows what is said; null: none does */
  example: string | null
  /** the reason in the words of a person, or of another program; null: none was */
  reason: string | null
}

const NOTHING_MORE: Omit<Said, 'says'> = {
  helps: null,
  example: null,
  reason: null,
}

export const said = (says: string[], more: Partial<Said> = {}): Said => ({
  ...NOTHING_MORE,
  ...more,
  says,
})
