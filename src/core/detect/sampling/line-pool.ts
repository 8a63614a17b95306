/**
 * The lines of sampled requests, each stored once and counted, so that two hundred samples of one
 * template take little more memory than one.
 */
import { itemAt } from '../../lists.ts'

const ENTRY_BYTES = 96

/** A copy, because a slice keeps the much longer string alive that it was cut from. */
const detach = (line: string): string => (line.length < 13 ? line : ` ${line}`.slice(1))

const bytesOf = (line: string): number => ENTRY_BYTES + 2 * line.length

export class LinePool {
  /** of all lines */
  bytes = 0
  private readonly ids = new Map<string, number>()
  private readonly texts: string[] = []
  private readonly references: number[] = []
  private readonly free: number[] = []

  /** Id of the line; every call needs one `release`. */
  intern(line: string): number {
    const known = this.ids.get(line)
    if (known !== undefined) {
      this.count(known, 1)
      return known
    }
    const text = detach(line)
    const id = this.free.pop() ?? this.texts.length
    this.ids.set(text, id)
    this.texts[id] = text
    this.references[id] = 1
    this.bytes += bytesOf(text)
    return id
  }

  text(id: number): string {
    return itemAt(this.texts, id)
  }

  release(id: number): void {
    if (this.count(id, -1) > 0) return
    const text = this.text(id)
    this.bytes -= bytesOf(text)
    this.ids.delete(text)
    this.texts[id] = ''
    this.free.push(id)
  }

  /** @returns the references that a line then has */
  private count(id: number, change: number): number {
    const references = itemAt(this.references, id) + change
    this.references[id] = references
    return references
  }
}
