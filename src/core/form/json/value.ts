/**
 * JSON values that keep what an answer shows: the order of members and the literal text of numbers, so that
 * 12345678901234567890 and 1.50 can be written again. Knows nothing of forms.
 */

export type JsonValue =
  /** numbers, true, false, null, as they are written */
  | { kind: 'literal'; text: string }
  | { kind: 'string'; text: string }
  | { kind: 'object'; members: [name: string, value: JsonValue][] }
  | { kind: 'list'; items: JsonValue[] }

/** Recursion over a value is safe; no answer of an application nests deeper. */
const MAX_DEPTH = 64

const BLANKS = /[ \t\n\r]*/y
const LITERAL = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y
const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/y
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

export const isNumber = (text: string): boolean => NUMBER.test(text)

/** Thrown within this file. */
class NotJson extends Error {}

class Reader {
  constructor(
    private readonly text: string,
    public at: number
  ) {}

  private match(pattern: RegExp): string | null {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.text)?.[0]
    if (found === undefined) return null
    this.at += found.length
    return found
  }

  private skip(mark: string): boolean {
    this.match(BLANKS)
    if (this.text[this.at] !== mark) return false
    this.at++
    return true
  }

  private expect(mark: string): void {
    if (!this.skip(mark)) throw new NotJson()
  }

  private string(): string | null {
    const literal = this.match(STRING)
    if (literal === null) return null
    try {
      return JSON.parse(literal) as string
    } catch {
      throw new NotJson()
    }
  }

  private object(depth: number): JsonValue {
    const members: [string, JsonValue][] = []
    const names = new Set<string>()
    if (this.skip('}')) return { kind: 'object', members }
    do {
      this.match(BLANKS)
      const name = this.string()
      // the second of two equal names would be lost
      if (name === null || names.has(name)) throw new NotJson()
      names.add(name)
      this.expect(':')
      members.push([name, this.value(depth + 1)])
    } while (this.skip(','))
    this.expect('}')
    return { kind: 'object', members }
  }

  private list(depth: number): JsonValue {
    const items: JsonValue[] = []
    if (this.skip(']')) return { kind: 'list', items }
    do items.push(this.value(depth + 1))
    while (this.skip(','))
    this.expect(']')
    return { kind: 'list', items }
  }

  value(depth: number): JsonValue {
    if (depth > MAX_DEPTH) throw new NotJson()
    if (this.skip('{')) return this.object(depth)
    if (this.skip('[')) return this.list(depth)
    const string = this.string()
    if (string !== null) return { kind: 'string', text: string }
    const text = this.match(LITERAL)
    if (text === null) throw new NotJson()
    return { kind: 'literal', text }
  }
}

/** The value at an offset and the offset behind it; null where there is none, or a name stands twice in an object. */
export const readJsonAt = (text: string, at: number): { value: JsonValue; end: number } | null => {
  const reader = new Reader(text, at)
  try {
    return { value: reader.value(0), end: reader.at }
  } catch (error) {
    if (error instanceof NotJson) return null
    throw error
  }
}

/** The value of a text that `keyOf` wrote. */
export const valueOf = (json: string): JsonValue => new Reader(json, 0).value(0)

/** Compact JSON: equal for equal values in the same order. */
export const keyOf = (value: JsonValue): string => {
  if (value.kind === 'literal') return value.text
  if (value.kind === 'string') return JSON.stringify(value.text)
  if (value.kind === 'list') return `[${value.items.map(keyOf).join(',')}]`
  return `{${value.members.map(([name, inner]) => `${JSON.stringify(name)}:${keyOf(inner)}`).join(',')}}`
}
