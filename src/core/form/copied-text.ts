/** Texts of copied values. */
import type { CopiedNode } from './form.ts'
import { isNumber, type JsonValue } from './json/value.ts'
import { normalize } from './normalize/chains.ts'

/** The text of a value that a field may have; null for a value of another type. */
export const textOfScalar = (value: JsonValue | undefined, as: CopiedNode['as']): string | null => {
  if (value?.kind === 'string') return as === 'string' ? value.text : null
  if (value?.kind !== 'literal' || as === 'string') return null
  return isNumber(value.text) ? value.text : null
}

/** The text that a tagged text gives to a node; null where it cannot be a value of the node. */
export const copiedText = (node: CopiedNode, text: string): string | null => {
  const value = normalize(node.chain, text)
  return value !== null && node.as === 'number' && !isNumber(value) ? null : value
}
