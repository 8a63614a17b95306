/** Requests of 21 applications, and of A/B tests and edits among them, in the forms that clients send. */
import type { ChatMessage, ContentPart } from '../../../src/openai/chat.ts'
import { createDice, NAMES, type Dice } from '../../../test/kit/traffic/applications.ts'
import * as texts from './texts.ts'

export interface Made {
  messages: ChatMessage[]
  response: string | null
}

/** Makes a request of a day. */
export type Maker = (dice: Dice, day: Date) => Made

/** Makes the calls of one session, one behind the other. */
type ManyMaker = (dice: Dice, day: Date) => Made[]

const system = (content: ChatMessage['content']): ChatMessage => ({ role: 'system', content })
const user = (content: ChatMessage['content']): ChatMessage => ({ role: 'user', content })
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content })
const part = (text: string, fields: object = {}): ContentPart => ({ type: 'text', text, ...fields })
const cached = { cache_control: { type: 'ephemeral' } }

const sentences = (dice: Dice, count: number): string =>
  Array.from({ length: count }, dice.sentence).join(' ')

/** What an end user writes: one to three sentences, some with a signature. */
export const question = (dice: Dice): string =>
  sentences(dice, 1 + Math.floor(dice.next() * 3)) +
  (dice.next() < 0.2 ? `\n\nBest, ${dice.pick(NAMES)}` : '')

const oneOf = (dice: Dice, labels: string): string => dice.pick(labels.split(' '))

const inProse = (day: Date, locale: string): string =>
  new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeZone: 'UTC' }).format(day)

const article = (dice: Dice): string => `[${dice.id()}] ${sentences(dice, 9)}`
const HELP_ARTICLES = Array.from({ length: 50 }, (_, index) => article(createDice(100 + index)))

/** documents of a pool, three times as long as the instructions, behind a line with the date */
const ragInSystem: Maker = (dice, day) => ({
  messages: [
    system(
      `${texts.HELP_CENTRE}\n\nToday: ${inProse(day, 'en-GB')}\n\nArticles\n${[1, 2, 3].map(() => dice.pick(HELP_ARTICLES)).join('\n\n')}`
    ),
    user(question(dice)),
  ],
  response: sentences(dice, 2),
})

/** passages that no other request has, in front of the question */
const ragInUser: Maker = (dice) => ({
  messages: [
    system(texts.CONTRACT_SEARCH),
    user(
      `Passages:\n${[1, 2, 3, 4].map((number) => `${number}) ${sentences(dice, 8)}`).join('\n')}\n\nQuestion: ${question(dice)}`
    ),
  ],
  response: sentences(dice, 2),
})

/** a cached part, a transcript in a part of its own, a question in another one */
const ragInParts: Maker = (dice) => ({
  messages: [
    system([part(texts.MINUTES, cached), part(`Participants: ${NAMES.slice(0, 6).join(', ')}`)]),
    user([
      part(
        `Transcript\n${Array.from({ length: 20 }, () => `${dice.pick(NAMES)}: ${dice.sentence()}`).join('\n')}`
      ),
      part(`Additional wish: ${dice.sentence()}`),
    ]),
  ],
  response: sentences(dice, 5),
})

const agentWithTools: Maker = (dice) => ({
  messages: [system(texts.WAREHOUSE_AGENT), user(question(dice))],
  response: null,
})

/** text alone: each call repeats the task, our answers and what came of them */
const reactAgent: ManyMaker = (dice) => {
  const messages = [system(texts.REACT_AGENT), user(`Task: ${question(dice)}`)]
  return Array.from({ length: 1 + Math.floor(dice.next() * 3) }, () => {
    const response = `Thought: ${dice.sentence()}\nAction: search[${dice.id()}]`
    const made = { messages: [...messages], response }
    messages.push(assistant(response), user(`Observation: ${sentences(dice, 3)}`))
    return made
  })
}

const dated =
  (write: (date: string) => string, locale: string, labels: string): Maker =>
  (dice, day) => ({
    messages: [system(write(inProse(day, locale))), user(question(dice))],
    response: oneOf(dice, labels),
  })

const customerRules = (customer: number): string => {
  const dice = createDice(9_000 + customer)
  return `# ${dice.pick(NAMES)} ${dice.id()}\n${Array.from({ length: 7 }, () => `- ${dice.sentence()}`).join('\n')}`
}

/** rules of one of so many shops, longer than the instructions */
const tenantSections =
  (customers: number): Maker =>
  (dice) => ({
    messages: [
      system(
        `${texts.CHAT_TENANTS}\n\n${customerRules(Math.floor(dice.next() * customers))}\n\n${texts.CHAT_TENANTS_END}`
      ),
      user(question(dice)),
    ],
    response: sentences(dice, 2),
  })

const plain =
  (prompt: string, labels: string): Maker =>
  (dice) => ({ messages: [system(prompt), user(question(dice))], response: oneOf(dice, labels) })

/** cut at another line in every other request */
const splitAnywhere: Maker = (dice) => {
  const lines = texts.COMMITS.split('\n')
  const cut = 1 + Math.floor(dice.next() * (lines.length - 1))
  const parts = [lines.slice(0, cut), lines.slice(cut)].map((some) => part(some.join('\n')))
  return {
    messages: [
      system(dice.next() < 0.3 ? texts.COMMITS : parts),
      user([part('Diff:'), part(`- ${dice.sentence()}\n+ ${dice.sentence()}`)]),
    ],
    response: sentences(dice, 1),
  }
}

const byDeveloper: Maker = (dice) => ({
  messages: [
    { role: dice.next() < 0.8 ? 'developer' : 'system', content: texts.ROUTER },
    user(question(dice)),
  ],
  response: oneOf(dice, 'payroll facilities it people'),
})

const named: Maker = (dice) => ({
  messages: [
    { ...system(texts.MODERATION), name: 'policy' },
    { ...user(question(dice)), name: `reader_${dice.id()}` },
  ],
  response: oneOf(dice, 'KEEP REMOVE'),
})

const FORMULA_POOL = Array.from({ length: 60 }, (_, index) => {
  const dice = createDice(3_000 + index)
  return [user(dice.sentence()), assistant(`=SUM(A${index}:A${index + 9})`)]
})

const retrievedPairs: Maker = (dice) => ({
  messages: [
    system(texts.FORMULAS),
    ...Array.from({ length: 8 }, () => dice.pick(FORMULA_POOL)).flat(),
    user(question(dice)),
  ],
  response: `=MAX(B${dice.id()})`,
})

/** the photo of two in three requests is none of a template */
export const withPhoto =
  (hasPhoto: boolean): Maker =>
  (dice) => {
    const photo = { type: 'image_url', image_url: { url: 'data:image/jpeg;base64,/9j/4AAQ' } }
    const told = part(question(dice))
    return {
      messages: [system(texts.PHOTO_DESK), user(hasPhoto ? [told, photo] : [told])],
      response: oneOf(dice, 'crushed wet opened broken missing none'),
    }
  }

const EXAMPLE_OFFERS = Array.from({ length: 3 }, (_, index) => {
  const dice = createDice(4_000 + index)
  return [user(sentences(dice, 2)), assistant(`{"article":"bolt","price":${index}}`)]
}).flat()

/** constant pairs, and a field that decides the answer */
const extraction: Maker = (dice) => {
  const currency = oneOf(dice, 'EUR NOK USD')
  return {
    messages: [
      system(`${texts.PRICES}\nCurrency where the offer names none: ${currency}`),
      ...EXAMPLE_OFFERS,
      user(question(dice)),
    ],
    response: `{"article":"bolt","currency":"${currency}"}`,
  }
}

const oneMessage: Maker = (dice) => ({
  messages: [user(texts.REWRITE + question(dice).replaceAll('\n', ' '))],
  response: sentences(dice, 1),
})

/** some 30,000 tokens */
const HANDBOOK = Array.from({ length: 1_250 }, (_, index) => {
  const dice = createDice(20_000 + index)
  return `${index + 1}. ${dice.sentence()}`
}).join('\n')

const longPrompt: Maker = (dice) => ({
  messages: [
    system(`${texts.UNDERWRITING}\n\nHandbook\n${HANDBOOK}`),
    user(`Application\n${question(dice)}`),
  ],
  response: `${oneOf(dice, 'accept refer decline')}, ${dice.id()}`,
})

export interface Plan {
  group: string
  variant: string
  make: Maker | ManyMaker
  /** part of the learning time that the version is sent in, 0 to 1 */
  from?: number
  until?: number
  /** digest of tools; '' without */
  tools?: string
}

const onFirstLine =
  (text: string, words: string) =>
  (date: string): string =>
    `${words} ${date}.\n${text}`

const dates: [string, string, (date: string) => string, string][] = [
  ['date_en', 'en-US', onFirstLine(texts.TRAVEL_EN, 'Today is'), 'PAST NONE'],
  [
    'date_de',
    'de',
    (date) =>
      `${texts.BAHN_DE} Heute ist ${date.replace(', ', ', der ')}. ${texts.BAHN_DE.slice(0, 90)}`,
    'JA NEIN UNKLAR',
  ],
  ['date_fr', 'fr', onFirstLine(texts.MAIRIE_FR, 'Nous sommes le'), 'voirie autre'],
  ['date_es', 'es', onFirstLine(texts.TIENDA_ES, 'Hoy es'), 'ACEPTAR RECHAZAR PREGUNTAR'],
  ['date_it', 'it', onFirstLine(texts.MUSEO_IT, 'Oggi è'), 'si no'],
  ['date_pt', 'pt', onFirstLine(texts.CLINICA_PT, 'Hoje é'), 'urgente normal'],
]

/** 21 prompts, two of them in two versions. */
export const PLANS: Plan[] = [
  { group: 'rag_in_system', variant: 'v1', make: ragInSystem },
  { group: 'rag_in_user', variant: 'v1', make: ragInUser },
  { group: 'rag_in_parts', variant: 'v1', make: ragInParts },
  { group: 'agent_with_tools', variant: 'v1', make: agentWithTools, tools: 'warehouse' },
  { group: 'react_agent', variant: 'v1', make: reactAgent },
  ...dates.map(([group, locale, write, labels]) => ({
    group,
    variant: 'v1',
    make: dated(write, locale, labels),
  })),
  { group: 'sections_of_24_customers', variant: 'v1', make: tenantSections(24) },
  { group: 'reviews', variant: 'a', make: plain(texts.REVIEWS, 'good bad none') },
  {
    group: 'reviews',
    variant: 'b',
    make: plain(
      texts.REVIEWS.replace('Irony counts as its opposite.', 'Ignore irony.'),
      'good bad'
    ),
  },
  { group: 'split_anywhere', variant: 'v1', make: splitAnywhere },
  { group: 'by_developer', variant: 'v1', make: byDeveloper },
  { group: 'named', variant: 'v1', make: named },
  { group: 'retrieved_pairs', variant: 'v1', make: retrievedPairs },
  { group: 'photo_desk', variant: 'v1', make: withPhoto(false) },
  { group: 'extraction', variant: 'v1', make: extraction, until: 0.5 },
  {
    group: 'extraction',
    variant: 'v2',
    make: (dice, day) => {
      const { messages, response } = extraction(dice, day)
      const edited = String(messages[0]!.content).replace(
        'Discounts for quantities',
        'All discounts'
      )
      return { messages: [system(edited), ...messages.slice(1)], response }
    },
    from: 0.5,
  },
  { group: 'one_message', variant: 'v1', make: oneMessage },
  { group: 'long_prompt', variant: 'v1', make: longPrompt },
]
