/** Takes a text apart by the constant pieces of a skeleton. */

export interface MatchedHole<Hole> {
  hole: Hole
  text: string
}

/**
 * The holes with their texts; null where the text does not have the pieces in their order. Each piece is looked for as
 * early as possible, which finds a match wherever there is one.
 * @param parts constant pieces, and anything else for a hole; no two holes stand side by side
 */
export const matchParts = <Hole>(
  parts: readonly (string | Hole)[],
  text: string
): MatchedHole<Hole>[] | null => {
  const holes: MatchedHole<Hole>[] = []
  let at = 0
  let open: { hole: Hole; from: number } | null = null
  for (const [place, part] of parts.entries()) {
    if (typeof part !== 'string') {
      open = { hole: part, from: at }
      continue
    }
    const isLast = place === parts.length - 1
    let found = open === null || !isLast ? text.indexOf(part, at) : text.length - part.length
    if (isLast && open !== null && (found < at || !text.endsWith(part))) found = -1
    if (found < 0 || (open === null && found !== at)) return null
    if (open !== null) holes.push({ hole: open.hole, text: text.slice(open.from, found) })
    at = found + part.length
    open = null
  }
  if (open !== null) holes.push({ hole: open.hole, text: text.slice(open.from) })
  else if (at !== text.length) return null
  return holes
}
