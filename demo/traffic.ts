/**
 * What the demo's clients send: applications with a prompt each, and unrelated noise. One seed
 * decides everything. Pure; nothing here knows the proxy.
 */
import {
  drawApplication,
  ticketLine,
  type Application,
  type Question,
} from '../models/make/applications.ts'
import { drawSmallTalk } from '../models/make/small-talk.ts'
import { whole, type CodeKind, type Random } from '../models/make/world.ts'
import { normalizeQuery } from '../src/core/learn/dataset.ts'
import type { ChatRequest } from '../src/openai/chat.ts'
import { deriveSeed, seededRandom, shuffle } from '../src/random.ts'

const DIFFICULTY = 4
/** A longer answer is cut off. */
export const MAX_TOKENS = 40
/** So that the requests that are learned from show each entry some ten times. */
const MOST_ENTRIES = 40
/** Where the tiny model itself errs least, such as `B73` (models/tiny/README.md): a lora learns its errors too. */
const CODES: CodeKind = 'letter-number'
/** Questions of an application that people word in too few ways run out. */
const MOST_DRAWS = 20

/** Names of applications, and so the most that there can be. */
export const LETTERS = 'ABCDEFGH'

export interface DemoApplication {
  name: string
  /** requests with different queries: `logged` before the training, `fresh` after it */
  logged: ChatRequest[]
  fresh: ChatRequest[]
}

export interface DemoTraffic {
  applications: DemoApplication[]
  noise: ChatRequest[]
}

export interface TrafficSize {
  applications: number
  /** of each application */
  logged: number
  fresh: number
  noise: number
}

/** `count` questions that the proxy takes for different ones, or null when people would not ask in so many ways. */
const differentQuestions = (
  application: Application,
  random: Random,
  count: number
): Question[] | null => {
  const questions = new Map<string, Question>()
  for (let draw = 0; draw < count * MOST_DRAWS && questions.size < count; draw++) {
    const question = application.ask(random)
    questions.set(normalizeQuery(question.query), question)
  }
  // the short questions run out first: unshuffled, those asked last would be the odd ones
  return questions.size < count ? null : shuffle([...questions.values()], random)
}

const requestOf = (model: string, system: string, query: string): ChatRequest => ({
  model,
  messages: [
    ...(system === '' ? [] : [{ role: 'system', content: system }]),
    { role: 'user', content: query },
  ],
  temperature: 0,
  max_tokens: MAX_TOKENS,
})

const drawDemoApplication = (
  model: string,
  name: string,
  seed: number,
  { logged, fresh }: TrafficSize
): DemoApplication => {
  for (let attempt = 0; ; attempt++) {
    const random = seededRandom(deriveSeed(seed, attempt))
    const application = drawApplication(random, DIFFICULTY)
    if (application.entries > MOST_ENTRIES || application.codes !== CODES) continue
    const questions = differentQuestions(application, random, logged + fresh)
    if (questions === null) continue
    const requests = questions.map(({ query }) =>
      requestOf(model, `${application.system}\n${ticketLine(whole(random, 1000, 9999))}`, query)
    )
    return { name, logged: requests.slice(0, logged), fresh: requests.slice(logged) }
  }
}

const drawNoise = (model: string, seed: number, count: number): ChatRequest[] => {
  const random = seededRandom(seed)
  return Array.from({ length: count }, () => {
    const { system, ask } = drawSmallTalk(random)
    return requestOf(model, system, ask(random).query)
  })
}

/** @param model the name that clients ask for */
export const drawTraffic = (model: string, seed: number, size: TrafficSize): DemoTraffic => ({
  applications: Array.from({ length: size.applications }, (_, index) =>
    drawDemoApplication(model, LETTERS[index]!, deriveSeed(seed, index + 1), size)
  ),
  noise: drawNoise(model, deriveSeed(seed, 0), size.noise),
})

/** Requests of all lists, so mixed that each list is spread evenly over the whole. */
export const interleave = (lists: ChatRequest[][]): ChatRequest[] =>
  lists
    .flatMap((list) => list.map((request, index) => ({ request, at: (index + 0.5) / list.length })))
    .sort((a, b) => a.at - b.at)
    .map(({ request }) => request)

/** The same request with one letter in the middle of its system prompt changed. */
export const withOneLetterChanged = (request: ChatRequest): ChatRequest => {
  const [system, ...others] = request.messages
  const text = String(system!.content)
  const at = text.length >> 1
  const letter = text[at] === 'x' ? 'y' : 'x'
  const changed = { ...system!, content: text.slice(0, at) + letter + text.slice(at + 1) }
  return { ...request, messages: [changed, ...others] }
}
