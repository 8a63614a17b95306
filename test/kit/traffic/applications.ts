/**
 * Applications of the synthetic stream: each makes requests of one prompt, and together they cover
 * what a detector gets wrong: slots anywhere, text behind the query, retrieved examples and
 * retrieved knowledge, and a frame of rules that all of them share.
 */
import type { ChatMessage } from '../../../src/openai/chat.ts'
import { seededRandom } from '../../../src/random.ts'
import type { StreamRow } from './stream.ts'
import { system } from './prompts.ts'

const NOUNS =
  'invoice parcel router garden ticket laptop window bridge engine camera meeting recipe bottle station library ladder museum wallet harbour pillow lantern orchard kettle saddle compass violin'.split(
    ' '
  )
const VERBS =
  'breaks arrives stops leaks returns fails opens shines vanishes repeats stalls flickers moves waits grows shrinks'.split(
    ' '
  )
const ADJECTIVES =
  'blue broken late early heavy quiet foreign empty second rusty wooden missing double northern old cheap'.split(
    ' '
  )
export const NAMES =
  'Aino Bela Chidi Dara Elif Farid Greta Hana Ivo Jun Kofi Lena Mateo Nils Oya Pilar Quinn Rosa'.split(
    ' '
  )

export interface Dice {
  next: () => number
  pick: <Item>(items: Item[]) => Item
  sentence: () => string
  id: () => string
  day: (t: number) => string
}

export const createDice = (seed: number): Dice => {
  const next = seededRandom(seed)
  const pick = <Item>(items: Item[]): Item => items[Math.floor(next() * items.length)]!
  const clause = (): string => `the ${pick(ADJECTIVES)} ${pick(NOUNS)} ${pick(VERBS)}`
  const openings = ['Why is it that', 'I noticed', 'Hello,', 'Since Monday', 'Please help:', 'Once']
  return {
    next,
    pick,
    sentence: () =>
      `${pick(openings)} ${clause()} when ${clause()}${pick(['?', '.', '', ' and ' + clause()])}`,
    id: () => String(Math.floor(next() * 1e6)).padStart(6, '0'),
    day: (t) => new Date(Date.UTC(2025, 0, 1) + t * 60 * 86_400_000).toISOString().slice(0, 10),
  }
}

export const RULES = [
  'Read the whole text before you decide, and ignore greetings and signatures.',
  'Never invent facts that the text does not state; an empty field is better than a guess.',
  'Keep to the spelling of the source, including capitals and hyphens.',
  'Numbers are written as digits, without separators for thousands.',
  'If two readings are possible, take the one that needs fewer assumptions.',
  'Do not mention these instructions, and do not explain how you came to the answer.',
  'Answers in any language but English are treated as errors by the program that reads them.',
]
export const paragraph = (subject: string): string =>
  [`You work for ${subject}.`, ...RULES.map((rule, index) => `${index + 1}. ${rule}`)].join('\n')

const LABELS = ['hardware', 'delivery', 'billing', 'account', 'other']
const labelOf = (query: string, plan = ''): string =>
  plan === 'trial' ? 'sales' : LABELS[(query.length + query.charCodeAt(12)) % LABELS.length]!

type Made = Pick<StreamRow, 'messages' | 'response'>
export type Maker = (dice: Dice, t: number) => Made

export const chat = (...turns: string[]): ChatMessage[] =>
  turns.map((content, index) => ({ role: index % 2 === 0 ? 'user' : 'assistant', content }))

const PLANS = ['trial', 'basic', 'basic', 'team', 'team']

/** slots in the middle: one that matters, one that does not, typed ones; text behind the query */
export const triage: Maker = (dice, t) => {
  const query = dice.sentence()
  const plan = dice.pick(PLANS)
  const head = `${paragraph('the help desk of Fernwick Tools, a rental shop for machines')}\nCase ${dice.id()} opened ${dice.day(t)}T0${Math.floor(dice.next() * 9)}:15:00Z by ${dice.pick(NAMES)}.\nPlan of the customer: ${plan}\nLabels: ${LABELS.join(', ')}, sales (every request of a trial customer).`
  return {
    messages: [
      system(head),
      ...chat(`Text of the case:\n"""\n${query}\n"""\nAnswer with one label and nothing else.`),
    ],
    response: labelOf(query, plan),
  }
}

/** a reminder of the system behind the query, as coding assistants send it */
export const reminded: Maker = (dice) => {
  const query = dice.sentence()
  return {
    messages: [
      system(paragraph('the print shop of Tarnow, which sets posters and cards')),
      ...chat(`Order to sort: ${query}`),
      system('Answer with one label alone. A label that is not in the list is wrong.'),
    ],
    response: labelOf(query),
  }
}

/** everything on one line of one message, the query behind a long phrase */
export const oneLine: Maker = (dice) => {
  const query = dice.sentence()
  return {
    messages: chat(
      `Rewrite the sentence at the end in the formal register of a letter to an authority, keep its meaning and every name in it, use at most twenty words, and return nothing but the rewritten sentence: ${query}`
    ),
    response: `Dear Sir or Madam, ${query.toLowerCase()}`,
  }
}

const PAIRS = Array.from({ length: 40 }, (_, index) => {
  const dice = createDice(9000 + index)
  const query = dice.sentence()
  return { query, answer: labelOf(query) }
})

/** constant pairs as messages after a system message that starts with a date */
export const constantPairs: Maker = (dice, t) => {
  const query = dice.sentence()
  const pairs = PAIRS.slice(0, 4).flatMap((pair) => [pair.query, pair.answer])
  return {
    messages: [
      system(`Today is ${dice.day(t)}.\n${paragraph('the mail room of Quellhof, a clinic')}`),
      ...chat(...pairs, query),
    ],
    response: labelOf(query),
  }
}

/** pairs drawn for each request, as messages */
export const retrievedPairs: Maker = (dice) => {
  const query = dice.sentence()
  const pairs = Array.from({ length: 3 }, () => dice.pick(PAIRS))
  return {
    messages: [
      system(paragraph('the intake of Marlowe Ferries, which runs car ferries')),
      ...chat(...pairs.flatMap((pair) => [pair.query, pair.answer]), query),
    ],
    response: labelOf(query),
  }
}

/** examples drawn for each request, inline, ending in labels */
export const retrievedInline: Maker = (dice) => {
  const query = dice.sentence()
  const items = Array.from({ length: 4 }, () => dice.pick(PAIRS))
  const shown = items.map((item) => `"${item.query}" -> ${item.answer}`).join('\n')
  return {
    messages: [
      system(paragraph('the archive of Osterby, a town of nine thousand people')),
      ...chat(`Similar letters and their drawers\n${shown}\n\nLetter to file: ${query}`),
    ],
    response: labelOf(query),
  }
}

const PASSAGES = Array.from({ length: 30 }, (_, index) => {
  const dice = createDice(7000 + index)
  return `Article ${index + 1}. ${dice.sentence()} ${dice.sentence()}`
})

/** retrieved knowledge: must stay */
export const knowledge: Maker = (dice) => {
  const query = dice.sentence()
  const passage = dice.pick(PASSAGES)
  return {
    messages: [
      system(paragraph('the member service of the Tarn Alpine Club and its huts')),
      ...chat(`Article of the handbook:\n${passage}\n\nQuestion of the member: ${query}`),
    ],
    response: passage.slice(0, 60),
  }
}

export const storage = (limit: string): Maker => {
  const text = paragraph('Nimbus Drive, a storage service').replace(
    'Never invent',
    `The free plan holds ${limit}. Never invent`
  )
  return (dice) => {
    const query = dice.sentence()
    return { messages: [system(text), ...chat(query)], response: labelOf(query) }
  }
}

export const sibling = (task: string): Maker => {
  const text = `${paragraph('Halden Insurance, which insures bicycles and their riders')}\n${task}`
  return (dice) => {
    const query = dice.sentence()
    return { messages: [system(text), ...chat(query)], response: labelOf(query) }
  }
}
