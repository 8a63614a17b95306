/**
 * The form of a log line: JSON for programs, on a pipe or in a file, and plain text for a person at a terminal. Server,
 * worker and engine write the same form, because they share one stderr.
 */
import { isFields, parseJson, type Fields } from '../openai/fields.ts'
import { visibleName, visibleText } from '../visible-text.ts'

/** As pino numbers them. */
const LEVELS = { debug: 20, info: 30, warn: 40, error: 50, fatal: 60 } as const

type Level = keyof typeof LEVELS
export type LogForm = 'json' | 'text'

/** @param stream where the line goes */
export const formFor = (stream: { isTTY?: boolean }): LogForm =>
  stream.isTTY === true ? 'text' : 'json'

/** @param at milliseconds since the epoch @returns a line of JSON, as the server's logger makes it */
export const jsonLine = (level: Level, at: number, fields: Fields, message: string): string =>
  `${JSON.stringify({ level: LEVELS[level], time: new Date(at).toISOString(), ...fields, msg: message })}\n`

const nameOfLevel = (number: unknown): string =>
  Object.entries(LEVELS).find(([, each]) => each === number)?.[0] ?? String(number)

const valueText = (value: unknown): string =>
  typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)

/** The chain of errors of a fault, each with its stack. */
const causesText = (causes: unknown): string[] =>
  (Array.isArray(causes) ? causes : [])
    .filter(isFields)
    .flatMap(({ name, message, stack }) => [
      `  ${String(name)}: ${String(message)}`,
      ...(Array.isArray(stack) ? stack : []).map((frame) => `    ${String(frame)}`),
    ])

/**
 * `10:00:05Z info  listening host=127.0.0.1 port=8787`, and the causes of a fault below it.
 * @param line of JSON @returns the line itself where it has another form
 */
export const textLine = (line: string): string => {
  const found = parseJson(line)
  if (!isFields(found)) return line
  const { level, time, msg, part, causes, ...fields } = found
  const head = [
    `${String(time).slice(11, 19)}Z`,
    nameOfLevel(level).padEnd(5),
    ...(part === undefined ? [] : [`${String(part)}:`]),
    String(msg),
    ...Object.entries(fields).map(([name, value]) => `${name}=${valueText(value)}`),
  ].join(' ')
  return `${[head, ...causesText(causes)].map(visibleName).join('\n')}\n`
}

/** @param line of JSON, whose controls above ASCII no JSON escapes */
export const formed = (line: string, form: LogForm): string =>
  form === 'json' ? visibleText(line) : textLine(line)
