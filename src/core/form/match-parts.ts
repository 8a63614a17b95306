/** Takes a text apart by the constant pieces of a skeleton. */

/**
 * The text of each hole; null where the text does not have the pieces in their order. Each piece is looked for as
 * early as possible, which finds a match wherever there is one.
 * @param parts constant pieces, and anything else for a hole
 */
export const matchParts = (parts: readonly unknown[], text: string): string[] | null => {
  const holes: string[] = []
  let at = 0
  let hole = -1
  for (const [place, part] of parts.entries()) {
    if (typeof part !== 'string') {
      hole = at
      continue
    }
    const isLast = place === parts.length - 1
    let found = hole < 0 || !isLast ? text.indexOf(part, at) : text.length - part.length
    if (isLast && hole >= 0 && (found < at || !text.endsWith(part))) found = -1
    if (found < 0 || (hole < 0 && found !== at)) return null
    if (hole >= 0) holes.push(text.slice(hole, found))
    at = found + part.length
    hole = -1
  }
  if (hole >= 0) holes.push(text.slice(hole))
  else if (at !== text.length) return null
  return holes
}
