/**
 * A seeded labelled stream of 21 prompts among noise: some days to learn from, and requests of the two
 * months behind them, which show whether a template fits only the days that it was found on.
 */
import type { TemplateKey } from '../../../src/core/template/template.ts'
import { createDice, RULES, type Dice } from '../../../test/kit/traffic/applications.ts'
import type { Gold, StreamRow } from '../../../test/kit/traffic/stream.ts'
import { PLANS, question, withPhoto, type Made, type Plan } from './makers.ts'

const DAY_MS = 24 * 3600 * 1000
/** all learning days are of one month */
const START = Date.UTC(2026, 9, 5)
export const LEARNING_DAYS = 12
const LATER_DAYS = 60
const ROWS_OF_A_VERSION = 150
const LATER_ROWS = 60
const KEY: TemplateKey = { tenant: 'bench', model: 'bench', tools: '', responseFormat: '' }

export interface PromptRow extends StreamRow {
  key: TemplateKey
  /** milliseconds since the epoch */
  at: number
}

export interface PromptStream {
  learning: PromptRow[]
  /** of the versions alone */
  later: PromptRow[]
}

/** @param t days since the start */
const rowOf = (t: number, made: Made, gold: Gold, tools = ''): PromptRow => ({
  id: '',
  t,
  at: START + t * DAY_MS,
  key: { ...KEY, tools },
  gold,
  ...made,
})

const dayAt = (t: number): Date => new Date(START + t * DAY_MS)

/** between two calls of a session, in days */
const CALL_GAP = 0.001

const templated = (
  dice: Dice,
  plan: Plan,
  count: number,
  from: number,
  days: number
): PromptRow[] =>
  Array.from({ length: count }, () => {
    const t = from + dice.next() * days
    const { group, variant } = plan
    const gold = { kind: 'templated', group, is_template: true, variant }
    return [plan.make(dice, dayAt(t))]
      .flat()
      .map((made, call) => rowOf(t + call * CALL_GAP, made, gold, plan.tools))
  }).flat()

const learningOf = (dice: Dice, plan: Plan): PromptRow[] => {
  const { from = 0, until = 1 } = plan
  const days = (until - from) * LEARNING_DAYS
  return templated(dice, plan, ROWS_OF_A_VERSION, from * LEARNING_DAYS, days)
}

/** Requests that are of no template. */
const NOISE: [string, number, (dice: Dice) => Made][] = [
  [
    'single',
    300,
    (dice) => ({ messages: [{ role: 'user', content: question(dice) }], response: '' }),
  ],
  [
    'one_off_prompt',
    200,
    (dice) => ({
      messages: [
        {
          role: 'system',
          content: `# Task ${dice.id()}\n${question(dice)}\n# Output\n${dice.pick(RULES)}\n${dice.pick(RULES)}`,
        },
        { role: 'user', content: question(dice) },
      ],
      response: dice.sentence(),
    }),
  ],
  [
    'history_of_a_chat',
    200,
    (dice) => ({
      messages: [
        ...Array.from({ length: 2 * Math.ceil(dice.next() * 8) }, (_, index) => ({
          role: index % 2 === 0 ? 'user' : 'assistant',
          content: dice.next() < 0.1 ? 'ok' : question(dice),
        })),
        { role: 'user', content: question(dice) },
      ],
      response: dice.sentence(),
    }),
  ],
  ['with_photo', 300, (dice) => withPhoto(true)(dice, dayAt(0))],
  [
    'health_check',
    60,
    () => ({
      messages: [
        { role: 'system', content: RULES.join('\n') },
        { role: 'user', content: 'ping' },
      ],
      response: 'pong',
    }),
  ],
]

const noise = (dice: Dice): PromptRow[] =>
  NOISE.flatMap(([kind, count, make]) =>
    Array.from({ length: count }, () =>
      rowOf(dice.next() * LEARNING_DAYS, make(dice), { kind, group: null, is_template: false })
    )
  )

const inTime = (rows: PromptRow[]): PromptRow[] =>
  rows
    .sort((left, right) => left.t - right.t)
    .map((row, index) => ({ ...row, id: `prompts-${index}` }))

/** The same seed gives the same stream. */
export const promptStream = (seed: number): PromptStream => {
  const dice = createDice(seed)
  return {
    learning: inTime([...PLANS.flatMap((plan) => learningOf(dice, plan)), ...noise(dice)]),
    later: inTime(
      PLANS.flatMap((plan) => templated(dice, plan, LATER_ROWS, LEARNING_DAYS, LATER_DAYS))
    ),
  }
}
