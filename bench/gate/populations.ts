/**
 * Simulated traffic with known truth that a route meets and a held-out sample must stand for:
 * repeated questions, outcomes that are no text, conversations, equal confidences. Both arms
 * are alike and share most of their luck. Knows nothing of the gate.
 */
import type { HeldOutRow } from '../../src/core/gate/gate.ts'
import { simulatedRow } from './row.ts'
import { chanceAt, luckOfArms, truthAt, type Shape } from './worlds.ts'

/** Requests of one kind. */
export interface Kind {
  /** of the requests of its turn */
  share: number
  shape: Shape
  /** the one place of all its confidences; spread over the whole scale when absent */
  place?: number
  /** chance that the arm sends it to the upstream by itself */
  deferred?: number
  /** chance that it is among the unseen questions, too; a half unless given */
  unseen?: number
}

export interface Population {
  /** by turn, the last one for all later turns */
  kindsByTurn: readonly (readonly Kind[])[]
  /** turns of a conversation with their chances; one turn when absent */
  lengths?: readonly (readonly [turns: number, chance: number])[]
  /** share of the turns that share the luck of their conversation */
  correlation?: number
  /** different confidences, as many as there are rows when absent */
  grid?: number
}

const UNSEEN = 0.5
const ONE_TURN = [[1, 1]] as const

const kindsAt = ({ kindsByTurn }: Population, turn: number): readonly Kind[] =>
  kindsByTurn[Math.min(turn, kindsByTurn.length - 1)]!

const pick = <T>(items: readonly T[], shareOf: (item: T) => number, random: () => number): T => {
  let left = random() * items.reduce((sum, item) => sum + shareOf(item), 0)
  for (const item of items) {
    left -= shareOf(item)
    if (left < 0) return item
  }
  return items.at(-1)!
}

/** With a grid, confidences are rounded down to its values. */
const confidenceAt = (place: number, grid: number | undefined): number =>
  grid === undefined ? -place : -Math.ceil(place * grid) / grid

interface Turn {
  kind: Kind
  turn: number
  conversation: number
  isUnseen: boolean
  isDeferred: boolean
}

const rowOf = (
  { grid, lengths }: Population,
  { kind, turn, conversation, isUnseen, isDeferred }: Turn,
  place: number,
  agreement: number
): HeldOutRow => {
  const confidence = confidenceAt(kind.place ?? place, grid)
  return {
    ...simulatedRow(conversation, {
      agrees: agreement < chanceAt(kind.shape, kind.place ?? place),
      confidence,
    }),
    deferred: isDeferred ? 'tool-calls' : null,
    isUnseen,
    slices: lengths === undefined ? [] : [`turn ${turn + 1}`],
  }
}

/** Whole conversations of both arms, until `size` rows of traffic are drawn. */
export const drawPopulation = (
  population: Population,
  size: number,
  random: () => number
): [HeldOutRow[], HeldOutRow[]] => {
  const rows: [HeldOutRow[], HeldOutRow[]] = [[], []]
  const { lengths = ONE_TURN, correlation = 0 } = population
  for (let conversation = 0; rows[0].length < size; conversation++) {
    const [turns] = pick(lengths, ([, chance]) => chance, random)
    const common = luckOfArms(random)
    const unseenLuck = random()
    for (let turn = 0; turn < turns; turn++) {
      const kind = pick(kindsAt(population, turn), ({ share }) => share, random)
      const own = luckOfArms(random)
      const isUnseen = unseenLuck < (kind.unseen ?? UNSEEN)
      const isDeferred = random() < (kind.deferred ?? 0)
      const isCommon = random() < correlation
      own.forEach(({ place, agreement }, arm) => {
        const luck = isCommon ? common[arm]!.agreement : agreement
        const facts = { kind, turn, conversation, isUnseen, isDeferred }
        rows[arm]!.push(rowOf(population, facts, place, luck))
      })
    }
  }
  return rows
}

/** The true agreement above a threshold. */
export interface PopulationTruth {
  coverage: number
  traffic: number
  unseen: number
}

/** Share of a kind that is answered, and of that the share that agrees. */
const truthOfKind = (kind: Kind, threshold: number, grid: number | undefined) => {
  const { shape, place, deferred = 0 } = kind
  if (place !== undefined) {
    const isAbove = confidenceAt(place, grid) >= threshold
    return { coverage: isAbove ? 1 - deferred : 0, agreement: chanceAt(shape, place) }
  }
  // all places that are rounded down to a confidence above the threshold
  const lowest = grid === undefined ? threshold : -Math.floor(-threshold * grid + 1e-9) / grid
  const { coverage, agreement } = truthAt(shape, 'sum', lowest)
  return { coverage: coverage * (1 - deferred), agreement }
}

const shareOf = (right: number, answered: number): number => (answered === 0 ? 1 : right / answered)

/** Every kind of every turn with its share of all requests. */
const weighedKinds = (population: Population): { kind: Kind; weight: number }[] => {
  const { lengths = ONE_TURN } = population
  const longest = Math.max(...lengths.map(([turns]) => turns))
  return Array.from({ length: longest }, (_, turn) => {
    const reached = lengths.reduce((sum, [turns, chance]) => sum + (turns > turn ? chance : 0), 0)
    const kinds = kindsAt(population, turn)
    const total = kinds.reduce((sum, { share }) => sum + share, 0)
    return kinds.map((kind) => ({ kind, weight: (reached * kind.share) / total }))
  }).flat()
}

export const truthOfPopulation = (population: Population, threshold: number): PopulationTruth => {
  const sums = { all: 0, answered: 0, right: 0, unseenAnswered: 0, unseenRight: 0 }
  for (const { kind, weight } of weighedKinds(population)) {
    const { coverage, agreement } = truthOfKind(kind, threshold, population.grid)
    const [answered, right] = [weight * coverage, weight * coverage * agreement]
    const unseen = kind.unseen ?? UNSEEN
    sums.all += weight
    sums.answered += answered
    sums.right += right
    sums.unseenAnswered += unseen * answered
    sums.unseenRight += unseen * right
  }
  return {
    coverage: sums.answered / sums.all,
    traffic: shareOf(sums.right, sums.answered),
    unseen: shareOf(sums.unseenRight, sums.unseenAnswered),
  }
}
