/** What the parts of the proxy benchmark have in common. */
import type { Target } from '../load/processes.ts'
import { spread, type Figure, type Figures } from '../../test/kit/report.ts'

export interface Settings {
  rounds: number
  /** of one measurement */
  seconds: number
  /** at most, for each target, before the first round */
  warmUpSeconds: number
  mixMinutes: number
  /** for files */
  folder: string
}

/** A part saves its figures as they come, so that a failure keeps those before it. */
export type Part = (bench: Bench, add: (figures: Figures) => void) => Promise<void>

export interface Bench {
  settings: Settings
  /** the built `load/server.ts` */
  script: string
  /** the built file of a source file */
  pathOf: (file: string) => string
  /** answers as a request asks it to */
  upstream: Target
}

export const log = (message: string): void => {
  console.error(message)
}

export const OURS = 'ours'

/** One measurement of each target, by the target's name. */
export type Round<Measured> = Record<string, Measured>

/** Median, minimum and maximum of what each round says; rounds without the target say nothing. */
export const overRounds = <Measured>(
  rounds: Round<Measured>[],
  read: (round: Round<Measured>) => number | null,
  unit: string
): Figure | null => {
  const values = rounds.flatMap((round) => read(round) ?? [])
  return values.length === 0 ? null : spread(values, unit)
}

/** Ours over another's, round by round, because a shared machine drifts. */
export const ratioTo = <Measured>(
  rounds: Round<Measured>[],
  other: string,
  read: (measured: Measured) => number
): Figure | null =>
  overRounds(
    rounds,
    ({ [OURS]: ours, [other]: theirs }) => (ours && theirs ? read(ours) / read(theirs) : null),
    'ratio'
  )

/** Leaves out what could not be measured. */
export const present = (figures: Record<string, Figure | null>): Figures =>
  Object.fromEntries(
    Object.entries(figures).filter((entry): entry is [string, Figure] => entry[1] !== null)
  )

/** A JIT is measured when it has compiled. */
const WARM_UP_REQUESTS = 30_000
const WARM_UP_SLICE_SECONDS = 2

/** Loads until the compiler has seen enough, or time is up. @param load returns its requests */
export const warmUp = async (
  { warmUpSeconds }: Settings,
  load: (seconds: number) => Promise<number>
): Promise<void> => {
  const slice = Math.min(WARM_UP_SLICE_SECONDS, warmUpSeconds)
  let [requests, seconds] = [0, 0]
  while (seconds < warmUpSeconds && requests < WARM_UP_REQUESTS) {
    requests += await load(slice)
    seconds += slice
  }
}

/**
 * Measures each target into the round. Another's server that fails is left out from then on, so that
 * it takes no figure of the others with it; ours must not fail.
 */
export const measureEach = async <Measured>(
  targets: Map<string, Target>,
  round: Round<Measured>,
  measure: (target: Target, name: string) => Promise<Measured>
): Promise<void> => {
  for (const [name, target] of targets) {
    try {
      round[name] = await measure(target, name)
    } catch (error) {
      if (name === OURS) throw error
      log(`SKIPPED ${name} from here on: ${String(error)}`)
      targets.delete(name)
    }
  }
}

/**
 * Measures all cells and targets in every round, so that drift hits all alike.
 * @param whenOver gets the rounds of each cell, also when one fails on the way
 */
export const measureRounds = async <Cell, Measured>(
  targets: Map<string, Target>,
  { cells, rounds: count }: { cells: readonly Cell[]; rounds: number },
  measure: (target: Target, cell: Cell, name: string) => Promise<Measured>,
  whenOver: (rounds: Round<Measured>[][]) => void
): Promise<void> => {
  const rounds = cells.map((): Round<Measured>[] => [])
  try {
    for (let i = 0; i < count; i++) {
      for (const [index, cell] of cells.entries()) {
        const round: Round<Measured> = {}
        rounds[index]!.push(round)
        await measureEach(targets, round, (target, name) => measure(target, cell, name))
      }
    }
  } finally {
    whenOver(rounds)
  }
}
