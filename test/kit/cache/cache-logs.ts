/**
 * Logs with a planted cause for which the provider's prompt cache is not read. The same requests are made again
 * without the cause, so what a mend saves is counted, not estimated.
 */
import type { ExchangeRecord } from '../../../src/core/log/record.ts'
import type { ChatMessage, ChatRequest } from '../../../src/openai/chat.ts'
import { createDice, NAMES, type Dice } from '../traffic/applications.ts'
import { cachedTokens, tokenizer, type Prompt, type ProviderRules } from './provider-cache.ts'

export const PLANTED = [
  'date',
  'time',
  'name',
  'id',
  'counter',
  'tools-order',
  'tools-change',
  'retrieved-examples',
  'user-text-first',
  'below-minimum',
  'gap',
  'several-models',
] as const

export type Planted = (typeof PLANTED)[number]

/** What stands in one line of the prompt, so that two can be planted at once. */
export type PlantedText = Extract<Planted, 'date' | 'time' | 'name' | 'id' | 'counter'>

export interface CacheLog {
  records: ExchangeRecord[]
  /** of its provider */
  countTokens: (text: string) => number
  /** dollars a month that the mends save, one after the other; the cause that costs most first */
  saved: { cause: Planted; usdPerMonth: number }[]
}

export interface LogSettings {
  seed: number
  /** in the order in which they stand in the prompt */
  planted: readonly Planted[]
  /** whether the provider reports its counts */
  isCounted: boolean
  requests?: number
}

export const CACHE_PRICE = {
  asOf: '2026-11-01',
  input: 2,
  cachedInput: 0.5,
  output: 8,
  minCachedPrefixTokens: 1024,
}
export const CACHE_MODELS = ['model-a', 'model-b', 'model-c', 'model-d']

const START = 1_790_812_800_000
const LIFE_MS = 300_000
const DAYS_PER_MONTH = 365 / 12
const DAY_MS = 86_400_000
/** Work from nine to five, so that a log of some hundred requests covers days. */
const BURST = 60
const PAUSE_MS = 14 * 3_600_000

/** What one request is made of, with and without mends alike. */
interface Drawn {
  at: number
  place: { model: string; tenant: string }
  number: number
  query: string
  values: Record<PlantedText, string>
  examples: string
  tools: { shuffled: unknown[]; some: unknown[] }
}

interface Application {
  head: string
  parts: [string, string]
  tools: unknown[]
  pool: string[]
  charsPerToken: number
  hasTools: boolean
  /** how it writes dates, names and identifiers */
  style: number
}

const sentences = (dice: Dice, chars: number): string => {
  const lines: string[] = []
  for (let length = 0; length < chars; length += lines.at(-1)!.length + 1)
    lines.push(`- ${dice.sentence().replace(/[?.]$/, '')}, answer with ${dice.sentence()}`)
  return `${lines.join('\n')}\n`
}

const toolOf = (dice: Dice, number: number): unknown => ({
  type: 'function',
  function: {
    name: `lookup_${number}_${dice.id()}`,
    description: `${dice.sentence()} ${dice.sentence()}`,
    parameters: { type: 'object', properties: { value: { type: 'string' } } },
  },
})

const has = (planted: readonly Planted[], cause: Planted): boolean => planted.includes(cause)

const applicationOf = (dice: Dice, planted: readonly Planted[]): Application => {
  const isShort = has(planted, 'below-minimum')
  const size = (): number => (isShort ? 700 : 4200 + Math.floor(dice.next() * 3500))
  return {
    head: `You work for ${dice.pick(NAMES)} & ${dice.pick(NAMES)}, number ${dice.id()} of its kind.\n`,
    parts: [sentences(dice, size()), sentences(dice, size())],
    tools: Array.from({ length: 5 }, (_, number) => toolOf(dice, number)),
    pool: Array.from(
      { length: 40 },
      () => `Text: ${dice.sentence()}\nLabel: ${dice.pick(['one', 'two', 'three'])}`
    ),
    charsPerToken: 3.6 + dice.next(),
    hasTools: has(planted, 'tools-order') || has(planted, 'tools-change'),
    style: Math.floor(dice.next() * 3),
  }
}

/** In random order. */
const shuffled = <Item>(dice: Dice, items: readonly Item[]): Item[] =>
  items
    .map((item) => ({ item, key: dice.next() }))
    .toSorted((a, b) => a.key - b.key)
    .map(({ item }) => item)

const uuid = (dice: Dice): string => {
  const hex = (length: number): string =>
    Array.from({ length }, () => Math.floor(dice.next() * 16).toString(16)).join('')
  return `${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)}`
}

const dayOf = (dice: Dice): Date => new Date(START - Math.floor(dice.next() * 200) * DAY_MS)

const longDay = (day: Date): string =>
  day.toLocaleDateString('en-GB', {
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    timeZone: 'UTC',
  })

/** Each application writes its values in its own way. */
const valuesOf = (
  dice: Dice,
  { style }: Application,
  { at, number }: { at: number; number: number }
): Drawn['values'] => {
  const day = dayOf(dice)
  const now = new Date(at).toISOString()
  const [first, last] = [dice.pick(NAMES), dice.pick(NAMES)]
  const counted = 4000 + number * 3
  const pick = (forms: readonly string[]): string => forms[style % forms.length]!
  return {
    date: pick([
      `The order was placed on ${day.toISOString().slice(0, 10)}.`,
      `Date of the contract: ${longDay(day)}`,
      `<ordered>${day.toISOString().slice(0, 10).replaceAll('-', '/')}</ordered>`,
    ]),
    time: pick([
      `It is now ${now.slice(0, 19)}Z.`,
      `Current time: ${now.slice(0, 10)} ${now.slice(11, 19)} UTC`,
      `{"sent_at": ${Math.floor(at / 1000)}}`,
    ]),
    name: pick([
      `You talk to ${first} ${last}.`,
      `Customer: ${first}`,
      `Hello, I am ${last}, ${first}!`,
    ]),
    id: pick([
      `The trace of this request is ${uuid(dice)}.`,
      `Ticket: INC${dice.id()}`,
      `session=${uuid(dice).replaceAll('-', '')}; region=eu`,
    ]),
    counter: pick([
      `Requests answered so far: ${counted}.`,
      `Job #${counted}`,
      `run-${counted} of the nightly queue`,
    ]),
  }
}

const drawnOf = (
  dice: Dice,
  app: Application,
  planted: readonly Planted[],
  { at, number }: { at: number; number: number }
): Drawn => {
  const place = Math.floor(dice.next() * CACHE_MODELS.length)
  const byKey = app.charsPerToken > 4.1
  const isSplit = has(planted, 'several-models')
  return {
    at,
    number,
    place: {
      model: isSplit && !byKey ? CACHE_MODELS[place]! : CACHE_MODELS[0]!,
      tenant: isSplit && byKey ? `tenant-${place}` : 'tenant',
    },
    query: `${dice.sentence()} ${dice.sentence()} ${number}`,
    values: valuesOf(dice, app, { at, number }),
    examples: `Examples:\n${shuffled(dice, app.pool).slice(0, 3).join('\n\n')}\n\n`,
    tools: {
      shuffled: shuffled(dice, app.tools),
      some: app.tools.filter(() => dice.next() < 0.6),
    },
  }
}

const TEXTS: PlantedText[] = ['date', 'time', 'name', 'id', 'counter']

const isTextCause = (cause: Planted): cause is PlantedText =>
  (TEXTS as readonly Planted[]).includes(cause)

const toolsOf = (
  app: Application,
  { tools }: Drawn,
  planted: readonly Planted[],
  mends: readonly Planted[]
): unknown[] => {
  if (!app.hasTools) return []
  const isChanged = has(planted, 'tools-change') && !has(mends, 'tools-change')
  const isShuffled = has(planted, 'tools-order') && !has(mends, 'tools-order')
  if (isChanged) return tools.some
  return isShuffled ? tools.shuffled : app.tools
}

/** A line of each planted text stands before its half of the constant text, and behind both when it is mended. */
const messagesOf = (
  app: Application,
  drawn: Drawn,
  planted: readonly Planted[],
  mends: readonly Planted[]
): ChatMessage[] => {
  const texts = planted.filter(isTextCause)
  const lineOf = (cause: PlantedText): string => `${drawn.values[cause]}\n`
  const before = (half: number): string => {
    const cause = texts[half]
    return cause === undefined || has(mends, cause) ? '' : lineOf(cause)
  }
  const behind = texts.filter((cause) => has(mends, cause)).map(lineOf)
  const hasExamples = has(planted, 'retrieved-examples')
  const isMoved = has(mends, 'retrieved-examples')
  const head = `${app.head}${hasExamples && !isMoved ? drawn.examples : ''}`
  const body = `${before(0)}${app.parts[0]}${before(1)}${app.parts[1]}`
  const tail = `${behind.join('')}${hasExamples && isMoved ? drawn.examples : ''}`
  const asked = `Text of the customer: ${drawn.query}`
  if (!has(planted, 'user-text-first'))
    return [
      { role: 'system', content: `${head}${body}${tail}`.trimEnd() },
      { role: 'user', content: asked },
    ]
  const instructions = `${head}${body}${tail}`.trimEnd()
  const isBehind = has(mends, 'user-text-first')
  const content = isBehind ? `${instructions}\n\n${asked}` : `${asked}\n\n${instructions}`
  return [{ role: 'user', content }]
}

const promptOf = (
  request: ChatRequest,
  { at, place }: Drawn,
  mends: readonly Planted[]
): Prompt => ({
  at,
  place: has(mends, 'several-models') ? 'one' : `${place.model} ${place.tenant}`,
  text: [
    ...(request.tools ?? []).map((tool) => JSON.stringify(tool)),
    ...request.messages.map(({ role, content }) => `<${role}>${content as string}`),
  ].join(''),
})

const requestOf = (messages: ChatMessage[], tools: unknown[], { place }: Drawn): ChatRequest => ({
  model: place.model,
  messages,
  ...(tools.length > 0 && { tools }),
})

const stepOf = (dice: Dice, planted: readonly Planted[]): number => {
  const seconds = has(planted, 'gap')
    ? 400 + 600 * dice.next()
    : has(planted, 'several-models')
      ? 90 + 60 * dice.next()
      : 8 + 50 * dice.next()
  return Math.round(seconds * 1000)
}

const drawAll = (
  dice: Dice,
  app: Application,
  { planted, requests = 240 }: LogSettings
): Drawn[] => {
  let at = START + Math.floor(dice.next() * DAY_MS)
  return Array.from({ length: requests }, (_, number) => {
    at += stepOf(dice, planted) + (number % BURST === 0 && number > 0 ? PAUSE_MS : 0)
    return drawnOf(dice, app, planted, { at, number })
  })
}

const recordOf = (
  request: ChatRequest,
  { at, place, number }: Drawn,
  usage: ExchangeRecord['usage']
): ExchangeRecord => ({
  id: String(number),
  at,
  tenant: place.tenant,
  model: place.model,
  path: '/v1/chat/completions',
  streamed: false,
  status: 200,
  firstByteMs: null,
  durationMs: 0,
  request: JSON.stringify(request),
  response: JSON.stringify({
    id: 'made',
    object: 'chat.completion',
    created: 0,
    model: place.model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: ['one', 'two', 'three'][number % 3]! },
        finish_reason: 'stop',
      },
    ],
    ...(usage && { usage }),
  }),
  usage,
  route: null,
})

const usageOf = (input: number, cached: number): ExchangeRecord['usage'] => ({
  prompt_tokens: input,
  completion_tokens: 2,
  total_tokens: input + 2,
  prompt_tokens_details: { cached_tokens: cached },
})

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0)

/** Requests of one application. @returns the log, and what each mend saves */
export const makeCacheLog = (settings: LogSettings): CacheLog => {
  const { seed, planted, isCounted } = settings
  const dice = createDice(seed * 7919 + 17)
  const app = applicationOf(dice, planted)
  const drawn = drawAll(dice, app, settings)
  const countTokens = tokenizer(app.charsPerToken)
  const rules: ProviderRules = {
    lifeMs: LIFE_MS,
    minimumTokens: CACHE_PRICE.minCachedPrefixTokens,
    countTokens,
  }
  const made = (mends: readonly Planted[]): ChatRequest[] =>
    drawn.map((each) =>
      requestOf(messagesOf(app, each, planted, mends), toolsOf(app, each, planted, mends), each)
    )
  const promptsOf = (mends: readonly Planted[]): Prompt[] =>
    made(mends).map((request, at) => promptOf(request, drawn[at]!, mends))
  const readAfter = (mends: readonly Planted[]): number[] =>
    cachedTokens(promptsOf(mends), has(mends, 'gap') ? { ...rules, lifeMs: Infinity } : rules)
  const now = readAfter([])
  const prompts = promptsOf([])
  const span = drawn.at(-1)!.at - drawn[0]!.at
  const usdOf = (tokens: number): number =>
    (tokens * (CACHE_PRICE.input - CACHE_PRICE.cachedInput) * 1e-6 * DAYS_PER_MONTH * DAY_MS) / span
  const gain = (mends: readonly Planted[]): number => usdOf(sum(readAfter(mends)) - sum(now))
  const records = made([]).map((request, at) => {
    const input = countTokens(prompts[at]!.text)
    return recordOf(request, drawn[at]!, isCounted ? usageOf(input, now[at]!) : null)
  })
  return {
    records,
    countTokens,
    saved: savedBy(planted, gain, () => fillingGain(prompts, rules, usdOf)),
  }
}

/** What a prefix under the minimum saves when constant text fills it up. */
const fillingGain = (
  prompts: readonly Prompt[],
  rules: ProviderRules,
  usdOf: (tokens: number) => number
): number => {
  const { input, cachedInput, minCachedPrefixTokens: least } = CACHE_PRICE
  const [first = '', ...others] = prompts.map(({ text }) => text)
  let shared = first.length
  for (const other of others) while (!other.startsWith(first.slice(0, shared))) shared--
  const { countTokens } = rules
  const sharedTokens = countTokens(first.slice(0, shared))
  let filling = ''
  while (countTokens(`${filling}${first.slice(0, shared)}`) < least) filling += 'word '
  const added = countTokens(filling)
  const filled = prompts.map((prompt) => ({ ...prompt, text: `${filling}${prompt.text}` }))
  const helped = cachedTokens(filled, rules).filter((tokens) => tokens > 0).length
  return Math.max(0, usdOf(helped * (sharedTokens - (added * cachedInput) / (input - cachedInput))))
}

const savedBy = (
  planted: readonly Planted[],
  gain: (mends: readonly Planted[]) => number,
  filling: () => number
): CacheLog['saved'] => {
  if (planted.length === 0) return []
  if (has(planted, 'below-minimum')) return [{ cause: 'below-minimum', usdPerMonth: filling() }]
  const [one, other] = planted
  const alone = gain([one!])
  if (other === undefined) return [{ cause: one!, usdPerMonth: alone }]
  const both = gain([one!, other])
  const otherAlone = gain([other])
  // the mean of both orders says which one costs more
  const isFirst = alone - otherAlone >= 0
  return isFirst
    ? [
        { cause: one!, usdPerMonth: alone },
        { cause: other, usdPerMonth: both - alone },
      ]
    : [
        { cause: other, usdPerMonth: otherAlone },
        { cause: one!, usdPerMonth: both - otherAlone },
      ]
}
