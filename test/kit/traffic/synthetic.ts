/**
 * A seeded labelled stream whose templates share nothing with any recorded one: the applications
 * among conversations, an agent loop, whitespace jitter, health checks, quoted prompts and noise.
 */
import {
  chat,
  constantPairs,
  createDice,
  knowledge,
  NAMES,
  oneLine,
  paragraph,
  reminded,
  retrievedInline,
  retrievedPairs,
  RULES,
  sibling,
  storage,
  triage,
  type Dice,
  type Maker,
} from './applications.ts'
import { system } from './prompts.ts'
import type { Gold, StreamRow } from './stream.ts'

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
  { group: 'reminded', variant: 'v1', make: reminded, rows: 80 },
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

/** conversations of one prompt that names the user in its first line */
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

/** one session of many calls with a growing history: one session is not evidence for a template */
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
  // the same request repeated is not a template: it has no query
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
