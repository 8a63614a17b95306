/**
 * Labelled streams: the row format, a reader, and a seeded generator of a stream whose templates
 * share nothing with any recorded one. The generator covers what a detector gets wrong: slots
 * anywhere, text behind the query, retrieved examples, edits of one word, siblings, history that
 * looks like few-shot examples, and users who quote the prompt.
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { ChatMessage } from '../../src/openai/chat.ts'

export interface Gold {
  kind: string
  group: string | null
  is_template: boolean
  variant?: string
  conversation_id?: string
  turn?: number
}

export interface StreamRow {
  id: string
  /** 0 to 1 */
  t: number
  messages: ChatMessage[]
  response: string | null
  gold: Gold
}

/** Rows of a JSONL file in the file's order, one in memory at a time. */
export async function* readStream(path: string): AsyncIterable<StreamRow> {
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (line.trim() !== '') yield JSON.parse(line) as StreamRow
  }
}

/** Mulberry32. */
export const createRandom = (seed: number): (() => number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

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
const NAMES =
  'Aino Bela Chidi Dara Elif Farid Greta Hana Ivo Jun Kofi Lena Mateo Nils Oya Pilar Quinn Rosa'.split(
    ' '
  )

interface Dice {
  next: () => number
  pick: <Item>(items: Item[]) => Item
  sentence: () => string
  id: () => string
  day: (t: number) => string
}

const createDice = (seed: number): Dice => {
  const next = createRandom(seed)
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

const RULES = [
  'Read the whole text before you decide, and ignore greetings and signatures.',
  'Never invent facts that the text does not state; an empty field is better than a guess.',
  'Keep to the spelling of the source, including capitals and hyphens.',
  'Numbers are written as digits, without separators for thousands.',
  'If two readings are possible, take the one that needs fewer assumptions.',
  'Do not mention these instructions, and do not explain how you came to the answer.',
  'Answers in any language but English are treated as errors by the program that reads them.',
]
const paragraph = (subject: string): string =>
  [`You work for ${subject}.`, ...RULES.map((rule, index) => `${index + 1}. ${rule}`)].join('\n')

const LABELS = ['hardware', 'delivery', 'billing', 'account', 'other']
const labelOf = (query: string, plan = ''): string =>
  plan === 'trial' ? 'sales' : LABELS[(query.length + query.charCodeAt(12)) % LABELS.length]!

type Made = Pick<StreamRow, 'messages' | 'response'>
type Maker = (dice: Dice, t: number) => Made

const chat = (...turns: string[]): ChatMessage[] =>
  turns.map((content, index) => ({ role: index % 2 === 0 ? 'user' : 'assistant', content }))
const system = (content: string): ChatMessage => ({ role: 'system', content })

const PLANS = ['trial', 'basic', 'basic', 'team', 'team']

/** slots in the middle: one that matters, one that does not, typed ones; text behind the query */
const triage: Maker = (dice, t) => {
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

/** everything on one line of one message, the query behind a long phrase */
const oneLine: Maker = (dice) => {
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

/** constant pairs as messages behind a system message whose first line is a date */
const constantPairs: Maker = (dice, t) => {
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
const retrievedPairs: Maker = (dice) => {
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
const retrievedInline: Maker = (dice) => {
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
const knowledge: Maker = (dice) => {
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

const storage = (limit: string): Maker => {
  const text = paragraph('Nimbus Drive, a storage service').replace(
    'Never invent',
    `The free plan holds ${limit}. Never invent`
  )
  return (dice) => {
    const query = dice.sentence()
    return { messages: [system(text), ...chat(query)], response: labelOf(query) }
  }
}

const sibling = (task: string): Maker => {
  const text = `${paragraph('Halden Insurance, which insures bicycles and their riders')}\n${task}`
  return (dice) => {
    const query = dice.sentence()
    return { messages: [system(text), ...chat(query)], response: labelOf(query) }
  }
}

interface Plan {
  group: string
  variant: string
  make: Maker
  rows: number
  from?: number
  until?: number
}

const PLANS_OF_STREAM: Plan[] = [
  { group: 'triage', variant: 'v1', make: triage, rows: 220 },
  { group: 'one_line', variant: 'v1', make: oneLine, rows: 70 },
  { group: 'constant_pairs', variant: 'v1', make: constantPairs, rows: 90 },
  { group: 'retrieved_pairs', variant: 'v1', make: retrievedPairs, rows: 120 },
  { group: 'retrieved_inline', variant: 'v1', make: retrievedInline, rows: 120 },
  { group: 'knowledge', variant: 'v1', make: knowledge, rows: 110 },
  // one digit changes in the middle of the stream
  { group: 'storage', variant: 'v1', make: storage('5 GB'), rows: 90, until: 0.5 },
  { group: 'storage', variant: 'v2', make: storage('6 GB'), rows: 80, from: 0.5 },
  {
    group: 'claims_severity',
    variant: 'v1',
    make: sibling('Return how bad the damage is: none, light, heavy or total. One word.'),
    rows: 80,
  },
  {
    group: 'claims_part',
    variant: 'v1',
    make: sibling('Return the damaged part: frame, wheel, brake, light or none. One word.'),
    rows: 60,
  },
  {
    group: 'claims_fraud',
    variant: 'v1',
    make: sibling(
      'Return yes if the story contradicts itself and no otherwise. One word.\nA story that leaves something out does not contradict itself, and a story that is told twice in the same words does not either; what counts is that both cannot be true.'
    ),
    rows: 50,
  },
]

const templated = (dice: Dice): StreamRow[] =>
  PLANS_OF_STREAM.flatMap(({ group, variant, make, rows, from = 0, until = 1 }) =>
    Array.from({ length: rows }, () => {
      const t = from + dice.next() * (until - from)
      const gold = { kind: 'templated', group, is_template: true, variant }
      return { id: '', t, ...make(dice, t), gold }
    })
  )

/** conversations of one prompt whose first line names the user */
const conversations = (dice: Dice): StreamRow[] =>
  Array.from({ length: 60 }, (_, number) => {
    const start = dice.next() * 0.9
    const head = system(
      `You are talking to ${dice.pick(NAMES)} ${dice.id()}.\n${paragraph('the night desk of Hotel Perla')}`
    )
    const texts = [dice.sentence()]
    return Array.from({ length: 1 + Math.floor(dice.next() * 4) }, (_turn, turn) => {
      const messages = [head, ...chat(...texts)]
      const response = dice.sentence()
      texts.push(response, dice.sentence())
      const id = `hotel-${number}`
      const gold: Gold = { kind: 'templated_multiturn', group: 'hotel', is_template: true }
      gold.conversation_id = id
      gold.turn = turn + 1
      return { id: '', t: start + turn * 0.01, messages, response, gold }
    })
  }).flat()

const noise = (kind: string, group: string | null = null): Gold => ({
  kind,
  group,
  is_template: false,
})

/** one session of many calls whose history grows: one session, so no evidence for a template */
const agentLoop = (dice: Dice): StreamRow[] => {
  const texts = [dice.sentence()]
  const head = system(paragraph('a program that repairs its own tests'))
  return Array.from({ length: 80 }, (_, call) => {
    const messages = [head, ...chat(...texts)]
    const response = `step ${call}: ${dice.sentence()}`
    texts.push(response, `result ${call}: ${dice.sentence()}`)
    return { id: '', t: 0.2 + call * 0.001, messages, response, gold: noise('agent_loop') }
  })
}

const jittered = (dice: Dice): StreamRow[] =>
  Array.from({ length: 24 }, (_, index) => {
    const { messages, response } = storage('6 GB')(dice, 0)
    const text = String(messages[0]!.content)
    const changed = [
      `${text}\n`,
      text.replace('\n', '\n\n'),
      ` ${text}`,
      text.replaceAll('.', '. '),
    ]
    const head = system(changed[index % changed.length]!)
    const gold = {
      kind: 'templated',
      group: 'storage',
      is_template: true,
      variant: 'whitespace_jitter',
    }
    return {
      id: '',
      t: 0.5 + dice.next() / 2,
      messages: [head, ...messages.slice(1)],
      response,
      gold,
    }
  })

const others = (dice: Dice): StreamRow[] => [
  ...Array.from({ length: 400 }, () => ({
    id: '',
    t: dice.next(),
    messages: chat(`${dice.sentence()} ${dice.sentence()}`),
    response: dice.sentence(),
    gold: noise('single'),
  })),
  ...Array.from({ length: 90 }, (_, index) => ({
    id: '',
    t: dice.next(),
    // shared lines, but every prompt is another one
    messages: [
      system(
        `# Task ${index >> 1}\n${dice.sentence()}\n# Output\n${RULES[index % 7]}\n${RULES[(index * 3) % 7]}`
      ),
      ...chat(dice.sentence()),
    ],
    response: null,
    gold: noise('oneoff_system'),
  })),
  // the same request again and again is no template: there is no query
  ...Array.from({ length: 60 }, () => ({
    id: '',
    t: dice.next(),
    messages: [system(paragraph('the monitor of a data centre')), ...chat('ping')],
    response: 'pong',
    gold: noise('health_check'),
  })),
  ...Array.from({ length: 6 }, () => ({
    id: '',
    t: dice.next(),
    messages: chat(`What does this prompt do?\n${paragraph('Nimbus Drive, a storage service')}`),
    response: dice.sentence(),
    gold: noise('quoted_prompt'),
  })),
]

/** A labelled stream in time order; the same seed gives the same stream. */
export const syntheticStream = (seed: number): StreamRow[] => {
  const dice = createDice(seed)
  const rows = [
    ...templated(dice),
    ...conversations(dice),
    ...agentLoop(dice),
    ...jittered(dice),
    ...others(dice),
  ]
  return rows
    .sort((left, right) => left.t - right.t)
    .map((row, index) => ({ ...row, id: `synthetic-${index}` }))
}
