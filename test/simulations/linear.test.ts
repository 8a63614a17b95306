import { describe, expect, it } from 'vitest'
import { createRedactor, DETECTOR_NAMES } from '../../src/core/log/redact.ts'
import { estimateUsage } from '../../src/core/log/estimate-usage.ts'
import { openingOf } from '../../src/core/log/record-filter.ts'
import { agree } from '../../src/core/answer/agreement.ts'
import { formFault } from '../../src/core/answer/response-type.ts'
import { hasLongNumber, parseExactJson } from '../../src/core/json.ts'
import { withoutAttachments } from '../../src/core/request/attachments.ts'
import { readChatRequest } from '../../src/core/request/chat-reading.ts'
import { describeSlot } from '../../src/core/detect/building/slots.ts'
import { outlineOf } from '../../src/core/match/match.ts'
import { CompletionAccumulator } from '../../src/openai/accumulate.ts'
import { askForUsage } from '../../src/openai/usage/ask-usage.ts'
import { CHAT, RESPONSES } from '../../src/openai/dialect.ts'
import { UsageFilter } from '../../src/openai/usage/hide-usage.ts'
import { previousIdIn } from '../../src/openai/responses/continue.ts'
import { loadTokenizer } from '../../src/store/log/estimates.ts'
import { factorOfTenfold, type Sized } from '../kit/linear.ts'

/** Ten times the size may take at most so many times as long. */
const MOST = 30

const TEXT_CHARS = 20 * 1024
const countTokens = await loadTokenizer()
const redact = createRedactor({ detectors: [...DETECTOR_NAMES], patterns: {} })

const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`
const delta = (fields: object): string => event({ choices: [{ index: 0, delta: fields }] })
const chat = (content: unknown): string =>
  JSON.stringify({ model: 'm', messages: [{ role: 'user', content }] })

const list = <Item>(size: number, item: (at: number) => Item): Item[] =>
  Array.from({ length: size }, (_, at) => item(at))

const accumulated = (stream: Buffer): unknown => {
  const accumulator = new CompletionAccumulator()
  accumulator.push(stream)
  return accumulator.answer()
}

/** In pieces of a network read. */
const accumulatedInPieces = (stream: Buffer): unknown => {
  const accumulator = new CompletionAccumulator()
  for (let at = 0; at < stream.length; at += 1024) accumulator.push(stream.subarray(at, at + 1024))
  return accumulator.answer()
}

const filtered = (stream: Buffer): void => {
  const filter = new UsageFilter()
  for (let at = 0; at < stream.length; at += 64) filter.push(stream.subarray(at, at + 64))
  filter.end()
}

const texts = (unit: string, size: number): string =>
  unit.repeat(Math.ceil(size / unit.length)).slice(0, size)

/** Units that once made one of the functions slow, or might: repeated, they are a text. */
const UNITS = {
  'line breaks': '\n',
  'carriage returns': '\r\n',
  blanks: ' ',
  tabs: '\t',
  letters: 'a',
  ideographs: '漢',
  digits: '1',
  zeros: '0',
  quotes: '"',
  'single quotes': "'",
  'escaped quotes': '\\"',
  backslashes: '\\',
  brackets: '[',
  parentheses: '(',
  braces: '{',
  'pairs of brackets': '()',
  dots: '.',
  'punctuation and breaks': '/\n',
  'words and breaks': 'a\n',
  'e-mail starts': 'a@',
  'host names': 'a.',
  'phone numbers': '+1 (',
  fences: '```\n',
  'token starts': 'eyJaaaaaaaaaaa.',
  types: '"type":',
  users: '"role":"user",',
} as const

/** Functions that read a text of any kind. */
const OF_TEXT: Record<string, (text: string) => unknown> = {
  'the tokens of a request': (text) =>
    estimateUsage(
      { path: '/v1/chat/completions', request: chat(text), response: '{"choices":[]}' },
      countTokens
    ),
  'the redaction of a text': (text) => redact()(`x${text}`),
  'the redaction of JSON': (text) => redact()(chat(text)),
  'the number of an opening': (text) =>
    openingOf('/v1/chat/completions', Buffer.from(`${chat(text)}${text}`)),
  'the comparison of texts': (text) =>
    agree({ responseType: 'free-text', folds: { case: false, forms: false } }, text, `${text}.`),
  'the comparison of labels': (text) =>
    agree({ responseType: 'label', folds: { case: true, forms: true } }, text, `${text}.`),
  'the comparison of code': (text) =>
    agree(
      { responseType: 'code', folds: { case: true, forms: false } },
      `select ${text}`,
      `=A(${text}`
    ),
  'the comparison of JSON': (text) =>
    agree(
      { responseType: 'json', folds: { case: false, forms: false } },
      JSON.stringify([text]),
      `{"a":${text}`
    ),
  'the form of code': (text) => formFault('code', `f(${text}`),
  'the removal of attachments': (text) => withoutAttachments(Buffer.from(`"data":"${text}`)),
  'the reading of a chat request': (text) => [
    readChatRequest(Buffer.from(chat(text)), CHAT),
    readChatRequest(Buffer.from(`{"model":"m","messages":[${text}`), CHAT),
  ],
  'the reading of a response request': (text) => [
    readChatRequest(Buffer.from(JSON.stringify({ model: 'm', input: text })), RESPONSES),
    readChatRequest(Buffer.from(`{"model":"m","input":${text}`), RESPONSES),
  ],
  'the outline of a request': (text) => [
    outlineOf(Buffer.from(chat(text))),
    outlineOf(Buffer.from(`{"model":"m","messages":[${text}`)),
  ],
  'the question for usage': (text) => [
    askForUsage(Buffer.from(chat(text))),
    askForUsage(Buffer.from(`{"model":"m",${text}`)),
  ],
  'the id that a request continues': (text) => previousIdIn(Buffer.from(`{"a":"${text}`)),
  'the removal of a usage chunk': (text) => filtered(Buffer.from(`e${text}`)),
  'the answer of a stream': (text) =>
    accumulatedInPieces(Buffer.from(`data: {"choices":["${text}`)),
  'the response of a stream': (text) => {
    const accumulator = RESPONSES.accumulator()
    accumulator.push(Buffer.from(`data: ${text}\n\ndata: "type" ${text}\n\n`))
    return accumulator.answer()
  },
  'the long numbers of JSON': (text) => [hasLongNumber(chat(text)), parseExactJson(chat(text))],
}

/** Inputs of a shape of their own. */
const OTHERS: Record<string, Sized<never>> = {}
const other = <Input>(name: string, sized: Sized<Input>): void => {
  OTHERS[name] = sized as unknown as Sized<never>
}

other('the answer of a stream with many tool calls', {
  size: 700,
  make: (size) =>
    Buffer.from(
      list(size, (index) => delta({ tool_calls: [{ index, id: `c${index}` }] })).join('')
    ),
  run: accumulated,
})
other('the answer of a stream with many fields', {
  size: 700,
  make: (size) => Buffer.from(list(size, (at) => delta({ [`f${at}`]: 1 })).join('')),
  run: accumulated,
})
other('the answer of a stream with many choices', {
  size: 700,
  make: (size) =>
    Buffer.from(
      list(size, (index) => event({ choices: [{ index, delta: { content: 'a' } }] })).join('')
    ),
  run: accumulated,
})
other('the answer of a stream with unknown fields', {
  size: TEXT_CHARS,
  make: (size) => Buffer.from('a\n'.repeat(size)),
  run: accumulated,
})
other('the answer of a stream with one carriage return, at its end', {
  size: TEXT_CHARS,
  make: (size) => Buffer.from(`${'a\n'.repeat(size)}\r`),
  run: accumulated,
})
other('the answer of a stream with many lines of data', {
  size: TEXT_CHARS,
  make: (size) => Buffer.from('data:\n'.repeat(size)),
  run: accumulated,
})
other('the answer of a stream with many pieces', {
  size: 700,
  make: (size) => Buffer.from(delta({ content: 'a' }).repeat(size)),
  run: accumulated,
})
other('a response request with many calls', {
  size: 4_000,
  make: (size) =>
    list(size, (at) => ({ type: 'function_call', call_id: `c${at}`, name: 'f', arguments: '{}' })),
  run: (input) => RESPONSES.requestOf({ model: 'm', input }),
})
other('the name of a slot', {
  size: TEXT_CHARS,
  make: (size) => `x${' '.repeat(size)}y`,
  run: (before) =>
    describeSlot({
      values: ['a', 'b'],
      responses: [null, null],
      callers: ['', ''],
      sole: '',
      before,
      role: 'system',
      apart: true,
      taken: new Set(),
    }),
})
other('a long number', {
  size: TEXT_CHARS,
  make: (size) => `{"a":1${'0'.repeat(size)}1}`,
  run: (text) => [hasLongNumber(text), parseExactJson(text)],
})

// caches and the collector make up to twenty of ten; a quadratic function takes a hundred, at each attempt
describe(
  'ten times the text takes at most thirty times as long',
  { timeout: 120_000, retry: 2 },
  () => {
    it.each(Object.entries(OF_TEXT))('for %s', (_name, run) => {
      const slow = Object.entries(UNITS).flatMap(([name, unit]) => {
        const factor = factorOfTenfold(
          { size: TEXT_CHARS, make: (chars) => texts(unit, chars), run },
          MOST
        )
        return factor > MOST ? `${name}: ${factor.toFixed(0)} times` : []
      })
      expect(slow).toEqual([])
    })
    it.each(Object.entries(OTHERS))('for %s', (_name, sized) => {
      expect(factorOfTenfold(sized, MOST)).toBeLessThanOrEqual(MOST)
    })
  }
)
