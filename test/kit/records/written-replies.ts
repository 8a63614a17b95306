/**
 * Replies to refund requests that are written by a rule from a record, in several wordings, and a judge that knows the
 * rule: two replies are the same if they are of one record, whatever the wording.
 */
import { canonicalJson, parseExactJson } from '../../../src/core/json.ts'
import type { ExchangeRecord } from '../../../src/core/log/record.ts'
import { seededRandom } from '../../../src/random.ts'
import { answerBody } from './completion.ts'
import { orderRecord } from './paint-orders.ts'

export interface Refund {
  number: number
  name: string
  euros: number
  day: number
  isGranted: boolean
}

const NAMES = ['Ada Marsh', 'Bruno Keller', 'Chiara Rossi', 'Dmitri Volkov', 'Esme Clarke']

export const refundOf = (number: number): Refund => ({
  number: 10_000 + 7 * number,
  name: NAMES[number % NAMES.length]!,
  euros: 20 + ((13 * number) % 180),
  day: 1 + (number % 28),
  isGranted: number % 3 !== 0,
})

const dateOf = ({ day }: Refund): string => `${day} March 2027`

/** Each has the same sentences with the same facts. */
const WORDINGS: ((refund: Refund) => string)[] = [
  (refund) =>
    `Dear ${refund.name}, thank you for writing to us about order ${refund.number}. ` +
    (refund.isGranted
      ? `Your refund of ${refund.euros} EUR is approved and reaches your account by ${dateOf(refund)}. `
      : `Your refund of ${refund.euros} EUR is not approved, and you can object until ${dateOf(refund)}. `) +
    'If anything is unclear, simply reply to this message and a colleague takes care of it the same day.',
  (refund) =>
    `Hello ${refund.name}, we have looked at your message about order ${refund.number}. ` +
    (refund.isGranted
      ? `The refund of ${refund.euros} EUR is approved, and by ${dateOf(refund)} you will have it on your account. `
      : `The refund of ${refund.euros} EUR is not approved; until ${dateOf(refund)} you can object. `) +
    'Should a question be left, reply here, and a colleague sees to it on the same day.',
  (refund) =>
    `Good day ${refund.name}, here is our decision for order ${refund.number}. ` +
    (refund.isGranted
      ? `We have approved the refund of ${refund.euros} EUR, which is on your account by ${dateOf(refund)}. `
      : `We have not approved the refund of ${refund.euros} EUR, to which you can object until ${dateOf(refund)}. `) +
    'With any further question please reply to this message; a colleague helps you within the day.',
]

/** @param wording uniform in [0, 1) */
export const replyTo = (refund: Refund, wording: number): string =>
  WORDINGS[Math.floor(wording * WORDINGS.length)]!(refund)

/** The same in a field of JSON, beside what was decided. @param said what the reply says, where it is something else */
export const jsonReplyTo = (refund: Refund, wording: number, said = refund): string =>
  JSON.stringify({
    decision: refund.isGranted ? 'approved' : 'refused',
    order: { number: refund.number, amount: refund.euros, currency: 'EUR' },
    reply: replyTo(said, wording),
  })

const ESCAPED = /[.*+?^${}()|[\]\\]/g

/** Text around the facts, in which a number, a name and a date are read. */
const PATTERNS = WORDINGS.flatMap((write) =>
  [true, false].map((isGranted) => {
    const text = write({ number: 1_111, name: 'NAME', euros: 2_222, day: 3_333, isGranted })
    const pattern = text
      .replace(ESCAPED, String.raw`\$&`)
      .replace('NAME', String.raw`(?<name>[\p{L} ]+)`)
      .replace('1111', String.raw`(?<number>\d+)`)
      .replace('2222', String.raw`(?<euros>\d+)`)
      .replace('3333', String.raw`(?<day>\d+)`)
    return { isGranted, pattern: new RegExp(`^${pattern}$`, 'u') }
  })
)

/** What a reply says; null: it is none of these. */
const meaningOf = (reply: string): string | null => {
  for (const { isGranted, pattern } of PATTERNS) {
    const groups = pattern.exec(reply.trim())?.groups
    if (groups !== undefined) return JSON.stringify([isGranted, { ...groups }])
  }
  return null
}

/** What a reply in JSON says in all of its fields; null: it is none. */
const meaningOfJson = (answer: string): string | null => {
  const value = parseExactJson(answer)
  if (typeof value !== 'object' || value === null || !('reply' in value)) return null
  const { reply, ...fields } = value
  const said = meaningOf(String(reply))
  return said && canonicalJson({ ...fields, said })
}

/** Between the lines that carry the code. */
const blockIn = (text: string, name: string): string =>
  new RegExp(`<<<${name} (\\w+)>>>\\n([\\s\\S]*)\\n<<<end of ${name} \\1>>>`).exec(text)?.[2] ?? ''

/** A judge that knows the rule. @param messages of one comparison */
export const knowsTheRule = (messages: readonly { content: string }[]): 'same' | 'different' => {
  const text = messages.at(-1)!.content
  const [first, second] = [blockIn(text, 'first answer'), blockIn(text, 'second answer')].map(
    meaningOf
  )
  return first !== null && first === second ? 'same' : 'different'
}

const PROMPT = [
  'You answer customers of a shop for garden tools who ask for a refund.',
  'The system has decided already: say what it has decided, by when, and that they can reply.',
  'Write three sentences, with the name, the order, the sum and the date as they are given.',
].join('\n')

/** How replies are asked for and written. */
export interface ReplyForm {
  prompt: string
  /** @param wording uniform in [0, 1) */
  write: (refund: Refund, wording: number) => string
  /** equal for answers that say the same; null: it is no such answer */
  meaningOf: (answer: string) => string | null
}

export const AS_TEXT: ReplyForm = { prompt: PROMPT, write: replyTo, meaningOf }
export const AS_JSON: ReplyForm = {
  prompt: `${PROMPT}\nReturn JSON with the decision, the order and the reply.`,
  write: jsonReplyTo,
  meaningOf: meaningOfJson,
}

export const replyRecord = (number: number, form: ReplyForm = AS_TEXT): ExchangeRecord => {
  const refund = refundOf(number)
  const { name, euros, isGranted } = refund
  const asked =
    `Customer ${name}, order ${refund.number}: refund of ${euros} EUR, ` +
    `${isGranted ? 'approved, paid by' : 'not approved, objection until'} ${dateOf(refund)}.`
  return {
    ...orderRecord(number),
    request: JSON.stringify({
      model: 'gpt-4o-mini',
      messages: [
        { role: 'system', content: form.prompt },
        { role: 'user', content: asked },
      ],
    }),
    response: answerBody(form.write(refund, seededRandom(number)())),
  }
}

/** The number of the record whose request this is. */
export const numberOfRequest = (request: string): number =>
  (Number(/order (\d+)/.exec(request)![1]) - 10_000) / 7
