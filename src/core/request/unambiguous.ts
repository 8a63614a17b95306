/**
 * Whether all parsers read a body alike. A route answers no other one, and none is learned from: the upstream may
 * have read another request than we do.
 */
import { isUtf8 } from 'node:buffer'
import type { Dialect } from '../../openai/dialect.ts'
import { hasLongNumber } from '../json.ts'
import { findAmbiguousMember, stringEnds } from './ambiguous-members.ts'

const QUOTE = 0x22
/** Every number with so few characters and without an exponent is a double. */
const EXACT_CHARS = 15

const NUMBER = /[-\d.eE+]/
const IN_NUMBERS = Uint8Array.from({ length: 256 }, (_, byte) =>
  NUMBER.test(String.fromCharCode(byte)) ? 1 : 0
)

/** Whether a number of a JSON text is no double, so that two different ones are read as equal. */
const hasInexactNumber = (bytes: Buffer): boolean => {
  const stringEnd = stringEnds(bytes)
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] === QUOTE) at = stringEnd(at + 1)
    else if (IN_NUMBERS[bytes[at]!] === 1) {
      const from = at
      while (IN_NUMBERS[bytes[at + 1]!] === 1) at++
      const text = bytes.toString('latin1', from, at + 1)
      if ((text.length > EXACT_CHARS || /\de/i.test(text)) && hasLongNumber(text)) return true
    }
  }
  return false
}

/** @param bytes JSON that `JSON.parse` accepts once bytes that are no UTF-8 are replaced */
export const isAmbiguous = (bytes: Buffer, dialect: Dialect['name']): boolean =>
  !isUtf8(bytes) || findAmbiguousMember(bytes, dialect) !== null || hasInexactNumber(bytes)
