/** The command line of `npm run bench:paper`. Pure. */
import { parseArgs } from 'node:util'
import { LINEAR, REFERENCE, TRAINING_NAMES, type TrainingName } from './arms.ts'
import { MATCHINGS, type Matching } from './cells.ts'

export const PARTS = ['tiny', 'task'] as const
export type Part = (typeof PARTS)[number]

export interface Options {
  part: Part
  /** a GGUF file or a folder; null with an engine that runs already */
  model: string | null
  engineUrl: string | null
  /** folders of tasks */
  tasks: string[]
  applications: number
  seeds: number
  trainings: TrainingName[]
  matchings: Matching[]
  exchanges: number
  mainExchanges: number[]
  mainTrainings: readonly TrainingName[]
  /** optimizer steps where steps are equal */
  steps: number
  /** test questions of each subject */
  queries: number
  /** cells that are computed at the same time */
  lanes: number
  /** cores of each lane's engine; null: all */
  threads: number | null
  seed: number
  dir: string
  out: string | null
  picture: string | null
  isDryRun: boolean
}

/** Trainings of the parts with real models: a step with the prompt takes seconds there. */
const TASK_TRAININGS = [REFERENCE, LINEAR, 'full_prompt'] as const

const DEFAULTS = {
  tiny: {
    model: 'models/tiny',
    trainings: TRAINING_NAMES as readonly TrainingName[],
    mainTrainings: [REFERENCE, LINEAR] as readonly TrainingName[],
    matchings: MATCHINGS as readonly Matching[],
    exchanges: 240,
    mainExchanges: [60, 480],
    seeds: 3,
    // 40 in each stage with a prompt; with more, the part takes over three hours on two cores
    steps: 200,
    lanes: 2,
    threads: 1,
  },
  task: {
    model: null,
    trainings: TASK_TRAININGS as readonly TrainingName[],
    mainTrainings: [REFERENCE, LINEAR] as readonly TrainingName[],
    matchings: ['time'] as readonly Matching[],
    exchanges: 300,
    mainExchanges: [100, 1000],
    seeds: 1,
    // about three hours on two cores
    steps: 120,
    lanes: 2,
    threads: 1,
  },
}

const oneOf = <Name extends string>(known: readonly Name[], name: string, option: string): Name => {
  const found = known.find((one) => one === name)
  if (found === undefined) throw new Error(`--${option} knows ${known.join(', ')}, not ${name}`)
  return found
}

const whole = (text: string, option: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`--${option} takes whole numbers from 1 on, not ${text}`)
  return value
}

const list = (text: string): string[] => text.split(',').filter((item) => item !== '')

const OPTIONS = {
  part: { type: 'string', default: 'tiny' },
  model: { type: 'string' },
  'engine-url': { type: 'string' },
  task: { type: 'string', multiple: true, default: [] as string[] },
  applications: { type: 'string', default: '6' },
  seeds: { type: 'string' },
  trainings: { type: 'string' },
  matchings: { type: 'string' },
  exchanges: { type: 'string' },
  'main-exchanges': { type: 'string' },
  steps: { type: 'string' },
  queries: { type: 'string', default: '300' },
  lanes: { type: 'string' },
  threads: { type: 'string' },
  seed: { type: 'string', default: '20261128' },
  dir: { type: 'string' },
  out: { type: 'string' },
  picture: { type: 'string' },
  'dry-run': { type: 'boolean', default: false },
} as const

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']

const checked = (options: Options): Options => {
  if (options.part === 'task' && options.tasks.length === 0)
    throw new Error('--part task needs --task <folder>, once for each task')
  if (options.model === null && options.engineUrl === null)
    throw new Error('--model <file.gguf> or --engine-url <url> is needed')
  if (options.mainExchanges.includes(options.exchanges))
    throw new Error('--main-exchanges are other numbers than --exchanges')
  return options
}

/** Numbers of an option, or its default. */
const numbers = (values: Values, part: Part) => {
  const defaults = DEFAULTS[part]
  const number = (option: 'seeds' | 'exchanges' | 'steps' | 'lanes'): number =>
    values[option] === undefined ? defaults[option] : whole(values[option], option)
  const main = values['main-exchanges']
  return {
    seeds: number('seeds'),
    exchanges: number('exchanges'),
    steps: number('steps'),
    lanes: values['engine-url'] === undefined ? number('lanes') : 1,
    mainExchanges:
      main === undefined
        ? defaults.mainExchanges
        : list(main).map((item) => whole(item, 'main-exchanges')),
    threads: values.threads === undefined ? defaults.threads : whole(values.threads, 'threads'),
    applications: whole(values.applications, 'applications'),
    queries: whole(values.queries, 'queries'),
    seed: whole(values.seed, 'seed'),
  }
}

/** @throws Error that names the option */
export const parseOptions = (args: string[]): Options => {
  const { values } = parseArgs({ args, options: OPTIONS })
  const part = oneOf(PARTS, values.part, 'part')
  const defaults = DEFAULTS[part]
  const engineUrl = values['engine-url'] ?? null
  return checked({
    ...numbers(values, part),
    part,
    engineUrl,
    model: values.model ?? (engineUrl === null ? defaults.model : null),
    tasks: values.task,
    trainings:
      values.trainings === undefined
        ? [...defaults.trainings]
        : list(values.trainings).map((name) => oneOf(TRAINING_NAMES, name, 'trainings')),
    mainTrainings: defaults.mainTrainings,
    matchings:
      values.matchings === undefined
        ? [...defaults.matchings]
        : list(values.matchings).map((name) => oneOf(MATCHINGS, name, 'matchings')),
    dir: values.dir ?? `data/paper-${part}`,
    out: values.out ?? null,
    picture: values.picture ?? null,
    isDryRun: values['dry-run'],
  })
}
