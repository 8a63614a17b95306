/**
 * Synthetic traffic of an agent: the front desk of a house of rented rooms, with ten functions. A conversation
 * is a question, up to four rounds of calls with their results, and a text. All of it follows from a seed.
 */
import type { ChatMessage, ChatRequest } from '../../src/openai/chat.ts'
import {
  FIRST,
  LAST,
  ROOMS,
  DAYS,
  DEVICES,
  ITEMS,
  PLANS,
  HOURS,
  NEWS,
  PROMPT,
  TOOLS,
} from './house.ts'

export interface Call {
  name: string
  arguments: Record<string, unknown>
}

export interface Round {
  calls: Call[]
  /** one for each call */
  results: Record<string, unknown>[]
}

export interface Conversation {
  question: string
  rounds: Round[]
  answer: string
}

/** What the upstream says at a turn: calls, or the text. */
export type Turn = { calls: Call[] } | { text: string }

class Draw {
  private readonly random: () => number

  constructor(random: () => number) {
    this.random = random
  }

  whole(least: number, most: number): number {
    return least + Math.floor(this.random() * (most - least + 1))
  }

  of<Item>(items: readonly Item[]): Item {
    return items[this.whole(0, items.length - 1)]!
  }

  /** Different ones. */
  some<Item>(items: readonly Item[], count: number): Item[] {
    const left = [...items]
    return Array.from({ length: count }, () => left.splice(this.whole(0, left.length - 1), 1)[0]!)
  }

  id(letter: string): string {
    return `${letter}${this.whole(1000, 9999)}`
  }
}

const round = (name: string, given: Call['arguments'], result: Round['results'][0]): Round => ({
  calls: [{ name, arguments: given }],
  results: [result],
})

const found = (draw: Draw, name: string): { number: string; lookUp: Round } => {
  const number = draw.id('M')
  return {
    number,
    lookUp: round('find_member', { name }, { member: number, plan: draw.of(PLANS) }),
  }
}

const named = (draw: Draw): string => `${draw.of(FIRST)} ${draw.of(LAST)}`

const booking = (draw: Draw): Conversation => {
  const [name, floor, seats, day, hour] = [
    named(draw),
    draw.whole(1, 3),
    draw.whole(2, 12),
    draw.of(DAYS),
    draw.whole(8, 17),
  ]
  const withCoffee = draw.of([true, false])
  const [room, id] = [draw.of(ROOMS), draw.id('B')]
  const { number, lookUp } = found(draw, name)
  const coffee = withCoffee ? draw.of([', with coffee', ' and coffee for all', '. Coffee too']) : ''
  return {
    question: draw.of([
      `A room for ${seats} on floor ${floor} for ${name}, ${day} at ${hour}${coffee}, please.`,
      `${name} needs ${seats} seats on floor ${floor} on ${day} at ${hour}${coffee}.`,
      `Can you book floor ${floor} for ${name}? ${seats} people, ${day}, ${hour} o'clock${coffee}.`,
    ]),
    rounds: [
      lookUp,
      round('find_room', { floor, seats }, { room }),
      round('book_room', { room, member: number, day, hour }, { booking: id }),
      ...(withCoffee
        ? [round('order_coffee', { room, cups: seats, hour }, { ordered: true })]
        : []),
    ],
    answer: `${room} is booked as ${id}${withCoffee ? ', with coffee' : ''}.`,
  }
}

const fault = (draw: Draw): Conversation => {
  const room = draw.of(ROOMS)
  const devices = draw.some(DEVICES, draw.whole(1, 2))
  const urgent = draw.of([true, false])
  const tickets = devices.map(() => draw.id('T'))
  const both = devices.join(' and the ')
  return {
    question:
      draw.of([
        `The ${both} in ${room} ${devices.length > 1 ? 'are' : 'is'} broken.`,
        `In ${room} the ${both} do${devices.length > 1 ? '' : 'es'} not work.`,
        `Problem in ${room}: the ${both}.`,
      ]) + (urgent ? draw.of([' It is urgent.', ' Urgent!']) : ''),
    rounds: [
      {
        calls: devices.map((device) => ({
          name: 'report_fault',
          arguments: { room, device, urgent },
        })),
        results: tickets.map((ticket) => ({ ticket })),
      },
    ],
    answer:
      tickets.length > 1
        ? `Tickets ${tickets.join(' and ')} are open.`
        : `Ticket ${tickets[0]} is open.`,
  }
}

const move = (draw: Draw): Conversation => {
  const [id, hour] = [draw.id('B'), draw.whole(8, 18)]
  return {
    question: draw.of([
      `Move ${id} to ${hour} o'clock.`,
      `Booking ${id} should be at ${hour} now.`,
      `We come later, at ${hour}. It is booking ${id}.`,
    ]),
    rounds: [round('move_booking', { booking: id, hour }, { moved: true })],
    answer: `Booking ${id} is now at ${hour}.`,
  }
}

const cancel = (draw: Draw): Conversation => {
  const id = draw.id('B')
  const notify = draw.of([true, false])
  return {
    question: draw.of(
      notify
        ? [`Cancel ${id} and tell the guests.`, `We do not need ${id}, please inform all guests.`]
        : [`Cancel ${id}, but tell nobody.`, `We do not need ${id}. I told the guests myself.`]
    ),
    rounds: [round('cancel_booking', { booking: id, notify }, { cancelled: true })],
    answer: `Booking ${id} is cancelled.`,
  }
}

const badge = (draw: Draw): Conversation => {
  const [name, days, id] = [named(draw), draw.whole(1, 9), draw.id('G')]
  const { number, lookUp } = found(draw, name)
  return {
    question: draw.of([
      `A badge for ${name} for ${days} days.`,
      `${name} is here for ${days} days and needs a badge.`,
    ]),
    rounds: [lookUp, round('issue_badge', { member: number, days }, { badge: id })],
    answer: `Badge ${id} is valid for ${days} days.`,
  }
}

const lend = (draw: Draw): Conversation => {
  const name = named(draw)
  const items = draw.some(ITEMS, draw.whole(1, 3))
  const { number, lookUp } = found(draw, name)
  const list = items.join(', ')
  return {
    question: draw.of([
      `${name} wants to borrow: ${list}.`,
      `Can ${name} have these for today? ${list}`,
    ]),
    rounds: [lookUp, round('lend_equipment', { member: number, items }, { lent: items.length })],
    answer: `${number} has ${items.length} ${items.length > 1 ? 'items' : 'item'}.`,
  }
}

const message = (draw: Draw): Conversation => {
  const [name, news] = [named(draw), draw.of(NEWS)]
  const { number, lookUp } = found(draw, name)
  return {
    question: draw.of([`Tell ${name}: ${news}.`, `A message for ${name}: ${news}.`]),
    rounds: [lookUp, round('leave_message', { member: number, text: news }, { left: true })],
    answer: `The message for ${number} is left.`,
  }
}

const hours = (draw: Draw): Conversation => {
  const [day, name] = [draw.of(DAYS), named(draw)]
  return {
    question: draw.of([
      `When are you open on ${day}? ${name}`,
      `${name} here. What are your hours on ${day}?`,
    ]),
    rounds: [],
    answer: `On ${day} we are open from ${HOURS[day]}.`,
  }
}

const KINDS = [booking, booking, fault, move, cancel, badge, lend, message, hours]

/** Conversations with different questions. */
export const drawConversations = (count: number, random: () => number): Conversation[] => {
  const draw = new Draw(random)
  const byQuestion = new Map<string, Conversation>()
  while (byQuestion.size < count) {
    const conversation = draw.of(KINDS)(draw)
    byQuestion.set(conversation.question, conversation)
  }
  return [...byQuestion.values()]
}

export const turnsOf = ({ rounds, answer }: Conversation): Turn[] => [
  ...rounds.map(({ calls }) => ({ calls })),
  { text: answer },
]

const idOf = (turn: number, index: number): string => `call_${turn}_${index}`

/** Calls of a turn as a chat completion has them. */
export const toolCalls = (calls: Call[], turn: number): unknown[] =>
  calls.map(({ name, arguments: given }, index) => ({
    id: idOf(turn, index),
    type: 'function',
    function: { name, arguments: JSON.stringify(given) },
  }))

/** The request of a turn. Its history has the answers of the upstream. @param turn from 0 on */
export const requestAt = (
  { question, rounds }: Conversation,
  turn: number,
  model: string
): ChatRequest => {
  const messages: ChatMessage[] = [
    { role: 'system', content: PROMPT },
    { role: 'user', content: question },
  ]
  for (const [at, { calls, results }] of rounds.slice(0, turn).entries()) {
    messages.push({ role: 'assistant', content: null, tool_calls: toolCalls(calls, at) })
    for (const [index, result] of results.entries())
      messages.push({
        role: 'tool',
        tool_call_id: idOf(at, index),
        content: JSON.stringify(result),
      })
  }
  return { model, messages, tools: TOOLS }
}
