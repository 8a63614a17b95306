/** One check of a proof file. */
export interface Check {
  name: string
  holds: boolean
  /** what was found, in a sentence */
  said: string
}

export const check = (name: string, holds: boolean, ifHolds: string, ifNot: string): Check => ({
  name,
  holds,
  said: holds ? ifHolds : ifNot,
})

const SHOWN = 3

/** `a, b, c and 4 more` */
export const namesText = (names: readonly string[]): string => {
  const more = names.length - SHOWN
  const shown = names.slice(0, SHOWN).join(', ')
  return more > 0 ? `${shown} and ${more} more` : shown
}
