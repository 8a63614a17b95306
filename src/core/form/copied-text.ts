/** Texts of copied values. */
import type { CopiedNode } from './form.ts'
import { isNumber, type JsonValue } from './json/value.ts'
import { normalize } from './normalize/chains.ts'

/**
 * Marks that some language, such as SQL, XML, YAML or CSV, reads as its own unless they are escaped. Where a text is in
 * one, only the log can tell: a hole takes no such mark that none of its logged values had.
 */
const SYNTAX = /["'`\\<>&,;:|#${}\n\r\t]/g

/** The different syntax marks in texts. */
export const syntaxMarks = (texts: readonly string[]): string =>
  [...new Set(texts.flatMap((text) => text.match(SYNTAX) ?? []))].sort().join('')

/** The text of a value that a field may have; null for a value of another type. */
export const textOfScalar = (value: JsonValue | undefined, as: CopiedNode['as']): string | null => {
  if (value?.kind === 'string') return as === 'string' ? value.text : null
  if (value?.kind !== 'literal' || as === 'string') return null
  return isNumber(value.text) ? value.text : null
}

/** Whether a value may stand at the node's place of a text. */
export const isUsualText = ({ marks }: CopiedNode, text: string): boolean =>
  marks === undefined || [...syntaxMarks([text])].every((mark) => marks.includes(mark))

/** The text that a tagged text gives to a node; null where it cannot be a value of the node. */
export const copiedText = (node: CopiedNode, text: string): string | null => {
  const value = normalize(node.chain, text)
  return value !== null && node.as === 'number' && !isNumber(value) ? null : value
}
