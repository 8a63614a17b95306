/**
 * Short dialogues without a list: greetings, words to repeat, numbers to count, and the plain answer
 * that there is nothing to look in. They keep the tiny model fluent where no prompt defines a task.
 */
import type { Application, Question } from './applications.ts'
import { ADJECTIVES, FIELDS, NOUNS } from './lexicon.ts'
import { ITEM_QUESTIONS } from './phrases.ts'
import {
  capitalized,
  chance,
  companyName,
  inventedWord,
  pick,
  whole,
  type Random,
} from './world.ts'

export const NOTHING_TO_LOOK_IN = 'I have no list to look in.'

const FIXED: readonly (readonly [query: string, answer: string])[] = [
  ['Hello', 'Hello, how can I help you?'],
  ['Hello!', 'Hello, how can I help you?'],
  ['Good morning', 'Good morning, how can I help you?'],
  ['Good evening', 'Good evening, how can I help you?'],
  ['How are you?', 'I am fine, thank you.'],
  ['How are you today?', 'I am fine, thank you.'],
  ['Thank you', 'You are welcome.'],
  ['Thank you for your help!', 'You are welcome.'],
  ['Thanks', 'You are welcome.'],
  ['Goodbye', 'Goodbye, until next time.'],
  ['Bye', 'Goodbye, until next time.'],
  ['Are you there?', 'Yes, how can I help you?'],
  ['Can you help me?', 'Yes, how can I help you?'],
  ['What can you do?', 'I look things up in the list that I am given.'],
  ['What are you?', 'I am a small model that looks things up.'],
]

const repeat = (random: Random): Question => {
  const words = `${pick(random, ADJECTIVES)} ${chance(random, 0.5) ? pick(random, NOUNS) : inventedWord(random)}`
  return chance(random, 0.5)
    ? { query: `Please say ${words}.`, answer: capitalized(words) }
    : { query: `Say ${words} twice.`, answer: `${capitalized(words)}, ${words}` }
}

const count = (random: Random): Question => {
  const from = whole(random, 1, 90)
  const numbers = Array.from({ length: whole(random, 3, 6) }, (_, index) => from + index)
  return { query: `Count from ${from} to ${numbers.at(-1)}.`, answer: numbers.join(', ') }
}

const askWithoutList = (random: Random): Question => {
  const item = `${pick(random, ADJECTIVES)} ${pick(random, NOUNS)}`
  const question = pick(random, ITEM_QUESTIONS)
  const query = question.replaceAll('{item}', item).replaceAll('{field}', pick(random, FIELDS))
  return { query: chance(random, 0.4) ? capitalized(query) : query, answer: NOTHING_TO_LOOK_IN }
}

const talk = (random: Random): Question => {
  const draw = random()
  if (draw < 0.5) {
    const [query, answer] = pick(random, FIXED)
    return { query, answer }
  }
  if (draw < 0.7) return repeat(random)
  if (draw < 0.85) return count(random)
  return askWithoutList(random)
}

/** Half of them under a system prompt that names a company and nothing else. */
export const drawSmallTalk = (random: Random): Application => {
  if (chance(random, 0.5)) return { system: '', ask: talk }
  const company = companyName(random)
  const whose = { query: 'Who do you work for?', answer: `I work for ${company}.` }
  return {
    system: `You work for ${company}.`,
    ask: (next) => (chance(next, 0.2) ? whose : talk(next)),
  }
}
