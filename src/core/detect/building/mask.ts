/**
 * Typed values that an application writes into its prompts: dates, times, identifiers, addresses.
 * Recognizes a value and replaces values inside a text. Knows nothing of templates.
 */

export type MaskName =
  'datetime' | 'date' | 'time' | 'uuid' | 'email' | 'url' | 'ip' | 'hex' | 'ticket' | 'timestamp'

const MONTH =
  '(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|january|february|march|april|june|july|august|september|october|november|december)'
const WEEKDAY = '(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?'
const DATE = `(?:\\d{4}[-/.]\\d{1,2}[-/.]\\d{1,2}|\\d{1,2}[-/.]\\d{1,2}[-/.]\\d{2,4}|(?:${WEEKDAY},? )?(?:\\d{1,2}(?:st|nd|rd|th)? ${MONTH}\\.?,? \\d{4}|${MONTH}\\.? \\d{1,2}(?:st|nd|rd|th)?,? \\d{4}))`
const TIME =
  '\\d{1,2}:\\d{2}(?::\\d{2}(?:\\.\\d+)?)?(?: ?[ap]\\.?m\\.?)?(?: ?(?:z|utc|gmt|[+-]\\d{2}:?\\d{2}))?'

/** The first pattern that fits names the value. */
const MASKS: [MaskName, string][] = [
  ['datetime', `${DATE}(?:t|,? (?:at )?)${TIME}`],
  ['date', DATE],
  ['time', TIME],
  ['uuid', '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'],
  ['email', '[\\w.+-]+@[\\w-]+(?:\\.[\\w-]+)+'],
  ['url', 'https?://[^\\s"\'<>)]+'],
  ['ip', '\\d{1,3}(?:\\.\\d{1,3}){3}'],
  ['hex', '(?:0x)?(?=[a-f]*\\d)(?=\\d*[a-f])[0-9a-f]{8,}'],
  ['timestamp', '\\d{10}(?:\\d{3})?'],
  ['ticket', '#?[a-z]{1,8}[-_#:]?\\d{3,}|#\\d{2,}'],
]

const WHOLE: [MaskName, RegExp][] = MASKS.map(([name, source]) => [
  name,
  new RegExp(`^(?:${source})$`, 'iu'),
])
const ANYWHERE = new RegExp(
  `(?<![\\w-])(?:${MASKS.map(([, source]) => source).join('|')})(?![\\w-])`,
  'giu'
)

/** The type of a value that is wholly a typed value, else null. */
export const maskOf = (value: string): MaskName | null =>
  WHOLE.find(([, pattern]) => pattern.test(value.trim()))?.[0] ?? null

/** The text with every typed value replaced by one placeholder. */
export const maskText = (text: string): string => text.replace(ANYWHERE, '\u0000')
