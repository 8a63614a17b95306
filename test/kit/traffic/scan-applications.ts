/**
 * Applications with labels that a head can learn: each label has words of its own, and a part of the messages
 * talks of something else or is labelled wrongly, as in real logs.
 */
import type { ChatRequest } from '../../../src/openai/chat.ts'
import { system } from './prompts.ts'
import { chat, createDice, paragraph, type Dice } from './applications.ts'

export interface LabelledRequest {
  request: ChatRequest
  answer: string
}

export interface Application {
  name: string
  /** @param number of the message, from 0: the same number gives the same one */
  make: (seed: number, number: number) => LabelledRequest
}

const SYLLABLES = 'ba ce do fi gu ha je ko li mu na pe ro si tu va we xo yi zu'.split(' ')
const WORDS_OF_A_LABEL = 5

const wordOf = (dice: Dice): string =>
  Array.from({ length: 3 }, () => dice.pick(SYLLABLES)).join('')

interface Traits {
  name: string
  employer: string
  labels: number
  /** of the messages: no word of their label, and another label */
  vague: number
  wrong: number
  seed: number
}

const applicationOf = ({ name, employer, labels, vague, wrong, seed }: Traits): Application => {
  const words = createDice(seed)
  const topics = Array.from({ length: labels }, (_, label) => ({
    label: `${name}_${label}`,
    words: Array.from({ length: WORDS_OF_A_LABEL }, () => wordOf(words)),
  }))
  const prompt = `${paragraph(employer)}\nLabels: ${topics.map(({ label }) => label).join(', ')}`
  return {
    name,
    make: (draw, number) => {
      const dice = createDice(seed + 7919 * draw + 104_729 * number)
      const topic = dice.pick(topics)
      const hint = dice.next() < vague ? '' : `${dice.pick(topic.words)} ${dice.pick(topic.words)} `
      const { label } = dice.next() < wrong ? dice.pick(topics) : topic
      const query = `${hint}${dice.sentence()}`
      return {
        request: { model: 'gpt-4o-mini', messages: [system(prompt), ...chat(query)] },
        answer: label,
      }
    },
  }
}

/** An easy one, one with many labels, and one that is harder to tell. */
export const APPLICATIONS: Application[] = [
  { name: 'parcels', employer: 'the post room of Quellhof', labels: 6, vague: 0.1, wrong: 0.01 },
  {
    name: 'tickets',
    employer: 'the help desk of Fernwick Tools',
    labels: 20,
    vague: 0.1,
    wrong: 0.01,
  },
  { name: 'claims', employer: 'Halden Insurance', labels: 12, vague: 0.35, wrong: 0.01 },
].map((traits, number) => applicationOf({ ...traits, seed: 1000 + number }))
