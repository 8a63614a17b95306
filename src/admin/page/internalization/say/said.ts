/** What the head of an internalization says. */
export interface Said {
  /** one paragraph each, the most important first */
  says: string[]
  /** what would help; null: nothing has to be helped */
  helps: string | null
  /** the reason as it was recorded; null: none was */
  reason: string | null
}
