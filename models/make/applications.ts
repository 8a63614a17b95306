/**
 * Draws applications: a system prompt that defines a task, and people's questions with the answers
 * that the prompt asks for. Seed and difficulty decide everything. Knows nothing of tokens or models.
 */
import { shuffle } from '../../src/random.ts'
import { FIELDS, TOPICS, UNITS } from './lexicon.ts'
import {
  BARE_RULES,
  EXCEPTION_RULES,
  FLAGS,
  ITEM_QUESTIONS,
  OPENINGS,
  POLICIES,
  TOPIC_QUESTIONS,
} from './phrases.ts'
import {
  capitalized,
  chance,
  code,
  CODE_KINDS,
  companyName,
  distinct,
  inventedWord,
  items,
  pick,
  whole,
  type CodeKind,
  type Random,
} from './world.ts'

export interface Question {
  query: string
  answer: string
}

export interface Application {
  system: string
  ask(random: Random): Question
}

export interface ListApplication extends Application {
  /** lines of its list */
  entries: number
  /** what its answers look like */
  codes: CodeKind
}

/**
 * 0: a bare table and its keys. 1: sentences around it, one column, every value once. 2: values that
 * repeat, formats, few-shot examples. 3: exceptions, topics, units. 4: some 300 to 900 tokens.
 */
export const DIFFICULTIES = [0, 1, 2, 3, 4] as const
export type Difficulty = (typeof DIFFICULTIES)[number]

interface Table {
  keys: string[]
  /** the questions that ask for a key */
  questions: readonly string[]
  /** kind of the values */
  field: string
  codes: CodeKind
  /** one for each key */
  values: string[]
}

const FORMATS = ['bare', 'pair', 'json'] as const
type Format = (typeof FORMATS)[number]

interface Exception {
  flag: string
  value: string
}

const LAYOUTS: readonly ((key: string, value: string) => string)[] = [
  (key, value) => `${key}: ${value}`,
  (key, value) => `${key} = ${value}`,
  (key, value) => `${key} -> ${value}`,
  (key, value) => `- ${key}: ${value}`,
  (key, value) => `| ${key} | ${value} |`,
  (key, value) => `${key} is ${value}`,
]

/** What many applications put behind their prompt: it says which request this is, and nothing else. */
export const ticketLine = (ticket: number): string => `Ticket ${ticket}`

const fill = (text: string, values: Record<string, string>): string =>
  text.replaceAll(/\{(\w+)\}/g, (whole_, name: string) => values[name] ?? whole_)

const rowCount = (random: Random, difficulty: Difficulty): number => {
  const [from, to] = [
    [4, 10],
    [5, 16],
    [6, 24],
    [8, 30],
    [30, 60],
  ][difficulty]! as [number, number]
  return whole(random, from, to)
}

const drawKeys = (random: Random, difficulty: Difficulty): Pick<Table, 'keys' | 'questions'> => {
  const count = rowCount(random, difficulty)
  const draw = difficulty < 3 ? 0 : random()
  // the lists of topics and units are short
  if (draw < 0.6 || (difficulty === 4 && draw > 0.85))
    return { keys: items(random, count), questions: ITEM_QUESTIONS }
  if (draw < 0.85)
    return {
      keys: shuffle([...TOPICS], random).slice(0, count),
      questions: TOPIC_QUESTIONS,
    }
  return { keys: shuffle([...UNITS], random).slice(0, count), questions: ITEM_QUESTIONS }
}

/** Every value once while a table is to be read, later a few values for many keys. */
const drawValues = (
  random: Random,
  difficulty: Difficulty,
  rows: number
): Pick<Table, 'codes' | 'values'> => {
  const codes = pick(random, CODE_KINDS)
  const values = distinct(rows, () => code(random, codes))
  if (difficulty < 2 || chance(random, 0.5)) return { codes, values }
  const pool = values.slice(0, whole(random, Math.min(4, rows), rows))
  return { codes, values: values.map(() => pick(random, pool)) }
}

const drawTable = (random: Random, difficulty: Difficulty): Table => {
  const { keys, questions } = drawKeys(random, difficulty)
  const field = pick(random, FIELDS)
  return { keys, questions, field, ...drawValues(random, difficulty, keys.length) }
}

const render = (format: Format, field: string, value: string): string => {
  switch (format) {
    case 'bare':
      return value
    case 'pair':
      return `${field}=${value}`
    case 'json':
      return JSON.stringify({ [field]: value })
  }
}

const formatRule = (random: Random, format: Format, field: string): string => {
  if (format === 'bare') return fill(pick(random, BARE_RULES), { field })
  const shape = render(format, field, '...')
  return format === 'json' ? `Answer as JSON: ${shape}` : `Answer as ${shape}.`
}

const drawFormat = (random: Random, difficulty: Difficulty): Format => {
  if (difficulty < 2) return 'bare'
  return pick(random, FORMATS)
}

/** Texts of one application, in its wording. */
class Drawn implements ListApplication {
  readonly system: string
  private readonly table: Table
  private readonly format: Format
  private readonly exception: Exception | null

  constructor(random: Random, difficulty: Difficulty) {
    this.table = drawTable(random, difficulty)
    this.format = drawFormat(random, difficulty)
    this.exception =
      difficulty >= 3 && chance(random, 0.5)
        ? { flag: inventedWord(random), value: pick(random, this.table.values) }
        : null
    this.system = difficulty === 0 ? this.rows(random) : this.prompt(random, difficulty)
  }

  get entries(): number {
    return this.table.keys.length
  }

  get codes(): CodeKind {
    return this.table.codes
  }

  ask(random: Random): Question {
    const { keys, questions, values } = this.table
    const row = whole(random, 0, keys.length - 1)
    const query = this.word(random, pick(random, questions), keys[row]!)
    if (this.exception === null || !chance(random, 0.2))
      return { query, answer: this.answer(values[row]!) }
    const { flag, value } = this.exception
    const remark = fill(pick(random, FLAGS), { flag })
    return { query: `${query} ${remark}`, answer: this.answer(value) }
  }

  /** The key alone, as the bare table has it. */
  askForKey(random: Random): Question {
    const { keys, values } = this.table
    const row = whole(random, 0, keys.length - 1)
    return { query: keys[row]!, answer: this.answer(values[row]!) }
  }

  private answer(value: string): string {
    return render(this.format, this.table.field, value)
  }

  private word(random: Random, question: string, item: string): string {
    const text = fill(question, { item, field: this.table.field })
    return chance(random, 0.4) ? capitalized(text) : text
  }

  private rows(random: Random): string {
    const { keys, values } = this.table
    const layout = pick(random, LAYOUTS)
    return keys.map((key, row) => layout(key, values[row]!)).join('\n')
  }

  private examples(random: Random): string {
    const shown = Array.from({ length: whole(random, 1, 3) }, () => this.ask(random))
    return [
      'Examples:',
      ...shown.flatMap(({ query, answer }) => [`Q: ${query}`, `A: ${answer}`]),
    ].join('\n')
  }

  private prompt(random: Random, difficulty: Difficulty): string {
    const { field } = this.table
    const names = {
      company: companyName(random),
      place: companyName(random).split(' ')[0]!,
    }
    const policies = shuffle([...POLICIES], random).slice(
      0,
      difficulty < 3 ? 0 : whole(random, 0, difficulty === 4 ? 8 : 3)
    )
    const exception = this.exception && { ...this.exception, field }
    const sentences = [
      pick(random, OPENINGS),
      ...shuffle(
        [
          `Each entry of the list has a ${field}.`,
          formatRule(random, this.format, field),
          ...(exception === null ? [] : [fill(pick(random, EXCEPTION_RULES), exception)]),
          ...policies,
        ],
        random
      ),
    ]
    const parts = [sentences.map((text) => fill(text, names)).join(' '), this.rows(random)]
    if (difficulty >= 2 && chance(random, 0.4)) parts.push(this.examples(random))
    if (difficulty >= 2 && chance(random, 0.2)) parts.push(ticketLine(whole(random, 1000, 9999)))
    return parts.join('\n')
  }
}

export const drawApplication = (random: Random, difficulty: Difficulty): ListApplication => {
  const drawn = new Drawn(random, difficulty)
  if (difficulty > 0) return drawn
  const { system, entries, codes } = drawn
  return { system, entries, codes, ask: (next) => drawn.askForKey(next) }
}
