/**
 * Text of others for a terminal, which would run the control characters in it: they set titles, paint over lines and
 * answer as if somebody typed.
 */

/**
 * Controls of ASCII but the line break, C1 (a terminal may take U+009B for ESC [), separators of lines, and what turns
 * the direction of writing (UAX #9).
 */
const HIDDEN =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

const escapeOf = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** The text with escapes in place of its controls. A text of JSON keeps its value: controls are in strings alone. */
export const visibleText = (text: string): string => text.replace(HIDDEN, escapeOf)

/** The same for a name within a line or a row, which a line break would forge. */
export const visibleName = (text: string): string => visibleText(text).replaceAll('\n', '\\n')
