/** Seeded grammars of requests and answers as applications have them: what forms are found in. */
import type { FormRow } from '../../src/core/form/read-targets.ts'
import type { Source } from '../../src/core/form/words.ts'
import { seededRandom } from '../../src/random.ts'

/** A request of one text. */
export const soleSource = (text: string): Source[] => [{ name: 'query', text }]

/** A request of one text, with its answer: a text, or the JSON of another value. */
export const rowOf = (text: string, answer: unknown): FormRow => ({
  sources: soleSource(text),
  answer: typeof answer === 'string' ? answer : JSON.stringify(answer),
})

export class Draw {
  private readonly random: () => number

  constructor(seed: number) {
    this.random = seededRandom(seed)
  }

  below(count: number): number {
    return Math.floor(this.random() * count)
  }

  chance(share: number): boolean {
    return this.random() < share
  }

  one<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!
  }

  /** Different items. */
  some<Item>(items: readonly Item[], count: number): Item[] {
    const left = [...items]
    return Array.from({ length: count }, () => left.splice(this.below(left.length), 1)[0]!)
  }

  digits(count: number): string {
    return Array.from({ length: count }, () => this.below(10)).join('')
  }
}

export type Grammar = (draw: Draw) => FormRow

const FIRST = 'Anna Bela Chidi Dmitri Eszter Fatima Günther Hana Iñigo Jürgen Kenji Léa'.split(' ')
const LAST = 'Okafor Lindqvist García Nowak Schmidt Tanaka Dubois Rossi Petrov Yılmaz O’Hara'.split(
  ' '
)
const PRODUCTS = [
  'USB cables',
  'desk lamps',
  'office chairs',
  'notebooks',
  'pens',
  'monitors',
  'keyboards',
  'paper clips',
  'standing desks',
  'whiteboards',
  'coffee mugs',
  'headsets',
]
const WORDS = 'zero one two three four five six seven eight nine ten eleven twelve'.split(' ')
export const MONTHS =
  'January February March April May June July August September October November December'.split(' ')

const query = (text: string): FormRow['sources'] => [{ name: 'query', text }]

const name = (draw: Draw): string => `${draw.one(FIRST)} ${draw.one(LAST)}`

export interface Day {
  year: number
  month: number
  day: number
}

export const day = (draw: Draw): Day => ({
  year: 2020 + draw.below(8),
  month: 1 + draw.below(12),
  day: 1 + draw.below(28),
})

export const two = (value: number): string => String(value).padStart(2, '0')

export const iso = ({ year, month, day: date }: Day): string => `${year}-${two(month)}-${two(date)}`

/** Three notations. */
export const written = (draw: Draw, date: Day): string =>
  draw.one([
    `${date.day}/${date.month}/${date.year}`,
    `${MONTHS[date.month - 1]} ${date.day}, ${date.year}`,
    `${date.day}. ${MONTHS[date.month - 1]!.slice(0, 3)} ${date.year}`,
  ])

/** Number words, a default, an optional member, JSON as Python writes it. */
const order: Grammar = (draw) => {
  const quantity = draw.below(4) === 0 ? null : 1 + draw.below(12)
  const said = quantity === null ? 'some' : draw.chance(0.5) ? WORDS[quantity] : quantity
  const product = draw.one(PRODUCTS)
  const note = draw.chance(0.3) ? `leave it at door ${draw.below(90)}` : null
  const answer = `{"product": "${product}", "quantity": ${quantity ?? 1}${note ? `, "note": "${note}"` : ''}}`
  const opening = draw.one(['Hi, please send me', 'I would like', 'Could I get'])
  return {
    sources: query(`${opening} ${said} ${product}${note ? `; ${note}` : ''}. Thanks!`),
    answer,
  }
}

const INTENTS = ['billing', 'bug', 'feature', 'refund']

/** Labels that may be in the text, a boolean, a null, a list of labels, indented in a code fence. */
const ticket: Grammar = (draw) => {
  const intent = draw.one(INTENTS)
  const isUrgent = draw.chance(0.3)
  const number = draw.chance(0.6) ? `${draw.one(['TK', 'SR'])}-${draw.digits(5)}` : null
  const tags = ['login', 'mobile', 'web'].filter(() => draw.chance(0.4))
  const said = draw.chance(0.7) ? `This is about ${intent}.` : 'I need help.'
  const text = `${said} ${number ? `My ticket is ${number}.` : ''} ${isUrgent ? 'Hurry!' : ''} From ${name(draw)}.`
  const value = { intent, urgent: isUrgent, ticket: number, tags }
  return { sources: query(text), answer: `\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\`` }
}

/** Three date notations to ISO, an amount with separators, a currency, a nested object. */
const invoice: Grammar = (draw) => {
  const [issued, due] = [day(draw), day(draw)]
  const cents = 100 + draw.below(900_000)
  const [symbol, currency] = draw.one([
    ['€', 'EUR'],
    ['$', 'USD'],
    ['£', 'GBP'],
  ] as const)
  const amount = (cents / 100).toFixed(2)
  const shown = amount.replace(/\B(?=(\d{3})+\.)/g, ',')
  const [seller, buyer] = [name(draw), name(draw)]
  const text = `Invoice of ${written(draw, issued)}\nSeller: ${seller}\nBuyer: ${buyer}\nTotal: ${symbol}${shown}\nDue by ${written(draw, due)}`
  const value = {
    issued: iso(issued),
    due: iso(due),
    total: { amount: Number(amount), currency },
    parties: { seller: seller.toUpperCase(), buyer: buyer.toUpperCase() },
  }
  return { sources: query(text), answer: JSON.stringify(value) }
}

/** A list of objects in the order of the text, and a list of names. */
const basket: Grammar = (draw) => {
  const items = draw
    .some(PRODUCTS, 1 + draw.below(4))
    .map((product) => ({ product, quantity: 1 + draw.below(40) }))
  const guests = draw.some(FIRST, draw.below(4))
  const list = items
    .map(({ product, quantity }) => `${quantity} ${product}`)
    .join(draw.one([', ', ' and ', '\n']))
  const text = `We need ${list}.${guests.length > 0 ? ` With us: ${guests.join(', ')}.` : ''}`
  return { sources: query(text), answer: JSON.stringify({ items, guests }) }
}

/** Several templated replies, values of a kept slot. */
const reply: Grammar = (draw) => {
  const [customer, number] = [draw.one(FIRST), draw.digits(7)]
  const sources = [
    { name: 'query', text: `Where is order ${number}? It should have come by now.` },
    { name: 'customer', text: `${customer} (${draw.one(['gold', 'silver'])})` },
  ]
  const date = `${draw.one(MONTHS)} ${1 + draw.below(28)}`
  sources.push({ name: 'arrival', text: date })
  const answer = draw.one([
    `Dear ${customer}, your order ${number} is on its way and arrives by ${date}.`,
    `Dear ${customer}, I could not find order ${number}. Could you check the number?`,
    'Please contact our hotline.',
  ])
  return { sources, answer }
}

/** Times, phone numbers, e-mails; nested optional objects; escapes as in Python. */
const booking: Grammar = (draw) => {
  const hour = 1 + draw.below(12)
  const half = draw.one(['am', 'pm'])
  const minutes = draw.one([null, '15', '30'])
  const time = `${two((hour % 12) + (half === 'pm' ? 12 : 0))}:${minutes ?? '00'}`
  const guest = name(draw)
  const phone = draw.chance(0.5) ? draw.digits(10) : null
  const mail = `${draw.one(FIRST)}.${draw.one(LAST)}@Example.org`.replace(/[^\x20-\x7e]/g, 'x')
  const hasContact = phone !== null || draw.chance(0.4)
  const said = [
    `A table at ${hour}${minutes ? `:${minutes}` : ''} ${half} for ${guest}`,
    ...(phone ? [`call 0${phone.slice(1, 4)} ${phone.slice(4, 7)}-${phone.slice(7)}`] : []),
    ...(hasContact ? [`write to ${mail}`] : []),
  ]
  const contact = {
    ...(phone ? { phone: `0${phone.slice(1)}` } : {}),
    email: mail.toLowerCase(),
  }
  const value = { time, name: guest, ...(hasContact ? { contact } : {}) }
  const answer = JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  )
  return { sources: query(`${said.join(', ')}.`), answer }
}

const GRAMMARS = { order, ticket, invoice, basket, reply, booking }

export type GrammarName = keyof typeof GRAMMARS

export const GRAMMAR_NAMES = Object.keys(GRAMMARS) as GrammarName[]

/** Rows of a grammar; the same seed gives the same rows. */
export const grammarRows = (grammar: GrammarName, count: number, seed = 1): FormRow[] => {
  const draw = new Draw(seed)
  return Array.from({ length: count }, () => GRAMMARS[grammar](draw))
}

/** Values that break careless code. */
export const ODD_VALUES = [
  'say "hi"',
  'back\\slash',
  "O'Brien",
  '👩‍👩‍👧 family',
  'שלום עולם',
  'مرحبا ١٢٣',
  'Zoe\u0308',
  'नमस्ते',
  '東京都',
  'a\tb',
  '<b>&amp;',
  '__proto__',
  'constructor',
  '$& $1',
  'İstanbul',
  'Straße',
  '\ud800 lone',
  '½ cup',
]
