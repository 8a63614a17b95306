/**
 * The lines of sampled requests, each stored once and counted, so that two hundred samples of one
 * template cost little more than one. Knows nothing of who refers to a line.
 */

const ENTRY_BYTES = 96

export interface LinePool {
  /** Id of the line; every call needs one `release`. */
  intern(line: string): number
  text(id: number): string
  release(id: number): void
  readonly bytes: number
}

/** A copy that does not keep the (much longer) string alive that the line was cut from. */
const detach = (line: string): string => (line.length < 13 ? line : ` ${line}`.slice(1))

export const createLinePool = (): LinePool => {
  const ids = new Map<string, number>()
  const texts: string[] = []
  const references: number[] = []
  const free: number[] = []
  let bytes = 0
  return {
    intern(line) {
      const known = ids.get(line)
      if (known !== undefined) {
        references[known]! += 1
        return known
      }
      const text = detach(line)
      const id = free.pop() ?? texts.length
      ids.set(text, id)
      texts[id] = text
      references[id] = 1
      bytes += ENTRY_BYTES + 2 * text.length
      return id
    },
    text: (id) => texts[id]!,
    release(id) {
      references[id]! -= 1
      if (references[id]! > 0) return
      bytes -= ENTRY_BYTES + 2 * texts[id]!.length
      ids.delete(texts[id]!)
      texts[id] = ''
      free.push(id)
    },
    get bytes() {
      return bytes
    },
  }
}
