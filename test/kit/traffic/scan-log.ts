/** Lines of logs for scans, in the formats that `import` takes. */
import { APPLICATIONS, type LabelledRequest } from './scan-applications.ts'

/** 2026-10-01, and a request every ten minutes. */
const START = 1_790_812_800_000
const STEP_MS = 600_000

export const timeOf = (number: number): number => START + number * STEP_MS

const PROMPT = [
  'You file the messages of customers of Quellhof, a clinic with a mail room of its own.',
  'Read the whole text before you decide, and ignore greetings and signatures.',
  'Return one label and nothing else; programs read it, so that any other word is an error.',
].join('\n')

export const asked = (query: string, prompt = PROMPT) => ({
  model: 'gpt-4o-mini',
  messages: [
    { role: 'system', content: prompt },
    { role: 'user', content: query },
  ],
})

/** A line with times, as many programs write it. */
export const timedLine = ({ request, answer }: LabelledRequest, number: number): string =>
  JSON.stringify({ at: timeOf(number), request, response: answer })

/** A row for fine-tuning: no time, and the answer is the last message. */
export const tuningLine = ({ request, answer }: LabelledRequest): string =>
  JSON.stringify({ messages: [...request.messages, { role: 'assistant', content: answer }] })

/** Exchanges of one application; its answers are labels. @param place of the application */
export const labelled = (place: number, rows: number): LabelledRequest[] =>
  Array.from({ length: rows }, (_, number) => APPLICATIONS[place]!.make(0, number))

/** Exchanges of one prompt with the given answers. */
export const answered = (
  rows: number,
  answerOf: (number: number) => string,
  prompt?: string
): LabelledRequest[] =>
  Array.from({ length: rows }, (_, number) => ({
    request: asked(`message ${number} of ${(number * 7919) % 1013} on matter ${number}`, prompt),
    answer: answerOf(number),
  }))
