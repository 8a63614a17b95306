/**
 * Subjects of the tiny model: applications with a list and three few-shot examples in their prompt,
 * which the base model follows. The seed decides everything.
 */
import { drawApplication, type Question } from '../../../models/make/applications.ts'
import { normalizeQuery } from '../../../src/core/learn/dataset.ts'
import type { FewShot } from '../../../src/core/template/prompt.ts'
import type { Template } from '../../../src/core/template/template.ts'
import type { ChatRequest } from '../../../src/openai/chat.ts'
import { deriveSeed, seededRandom, shuffle } from '../../../src/random.ts'
import type { MatchedExchange } from '../../../src/worker/exchanges/exchanges.ts'
import { exchangeOf, type Subject } from './subject.ts'

const DIFFICULTY = 4
/** A longer list makes a step with the prompt slower, a shorter one has too few different questions. */
const ENTRIES = { least: 32, most: 42 }
/** With three examples the linear schedule leaves out one at each stage. */
const EXAMPLES = 3
const EXAMPLES_HEAD = '\nExamples:\n'
/** Questions of an application that people word in too few ways run out. */
const MOST_DRAWS = 20
const MAX_TOKENS = 40
const MODEL = 'application'

export interface Prompt {
  /** the whole system message */
  system: string
  /** the part in front of the examples */
  text: string
  examples: FewShot[]
}

/** @returns null for a prompt without exactly three examples at its end */
export const promptOf = (system: string): Prompt | null => {
  const [text, block, ...others] = system.split(EXAMPLES_HEAD)
  if (text === undefined || block === undefined || others.length > 0) return null
  const lines = block.split('\n')
  if (lines.length !== 2 * EXAMPLES) return null
  const examples = Array.from({ length: EXAMPLES }, (_, at) => ({
    query: lines[2 * at]!.replace(/^Q: /, ''),
    answer: lines[2 * at + 1]!.replace(/^A: /, ''),
  }))
  return { system, text, examples }
}

const templateOf = (text: string): Template => ({
  tenant: 'bench',
  model: MODEL,
  tools: '',
  responseFormat: '',
  version: '',
  messages: [
    { role: 'system', segments: [{ kind: 'anchor', text }] },
    { role: 'user', segments: [{ kind: 'query' }] },
  ],
  maxTurnsAfter: 0,
})

const requestOf = (system: string, query: string): ChatRequest => ({
  model: MODEL,
  messages: [
    { role: 'system', content: system },
    { role: 'user', content: query },
  ],
  temperature: 0,
  max_tokens: MAX_TOKENS,
})

/**
 * `count` questions that the proxy takes for different ones, none of them an example. Shuffled: the
 * short ones run out first. @returns null when people would not ask in so many ways
 */
const differentQuestions = (
  ask: () => Question,
  examples: FewShot[],
  { count, random }: { count: number; random: () => number }
): Question[] | null => {
  const shown = new Set(examples.map(({ query }) => normalizeQuery(query)))
  const questions = new Map<string, Question>()
  for (let draw = 0; draw < count * MOST_DRAWS && questions.size < count; draw++) {
    const question = ask()
    const key = normalizeQuery(question.query)
    if (!shown.has(key)) questions.set(key, question)
  }
  return questions.size < count ? null : shuffle([...questions.values()], random)
}

const subjectOf = (
  name: string,
  seed: number,
  { prompt, questions, test }: { prompt: Prompt; questions: Question[]; test: number }
): Subject => {
  const template = templateOf(prompt.text)
  const exchanges = questions.map(({ query, answer }, at): MatchedExchange => {
    const match = { template, slots: {}, examples: {}, query, turns: [] }
    return exchangeOf(`${name}-${at}`, { match, request: requestOf(prompt.system, query), answer })
  })
  const pool = exchanges.slice(test)
  return {
    name,
    template,
    examples: prompt.examples,
    train: (run) => shuffle([...pool], seededRandom(deriveSeed(seed, run))),
    test: exchanges.slice(0, test),
    isRight: (answer, { outcome }) => outcome.kind === 'text' && outcome.text === answer,
  }
}

/** Names of the subjects, without drawing them. */
export const applicationNames = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => `application-${at + 1}`)

/** @param size most exchanges to train on, and questions to test with, of each application */
export const drawApplications = (
  count: number,
  seed: number,
  size: { train: number; test: number }
): Subject[] => {
  const subjects: Subject[] = []
  const names = applicationNames(count)
  for (let attempt = 0; subjects.length < count; attempt++) {
    const ownSeed = deriveSeed(seed, attempt)
    const random = seededRandom(ownSeed)
    const application = drawApplication(random, DIFFICULTY)
    const prompt = promptOf(application.system)
    const { entries } = application
    if (prompt === null || entries < ENTRIES.least || entries > ENTRIES.most) continue
    const ask = () => application.ask(random)
    const wanted = size.train + size.test
    const questions = differentQuestions(ask, prompt.examples, { count: wanted, random })
    if (questions === null) continue
    const name = names[subjects.length]!
    subjects.push(subjectOf(name, ownSeed, { prompt, questions, test: size.test }))
  }
  return subjects
}
