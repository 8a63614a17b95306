/**
 * The provider's cache in a simulation: how much of each request an earlier one has left in it, as the requests are
 * and as they would be after mends. Prefixes are kept by model and credential, for the life of the cache.
 */
import { itemAt } from '../lists.ts'
import type { LaidPiece, LaidRequest, Layout, TextCause } from './layout.ts'

/** What can be mended by a change of the requests or of their times. */
export type Mend = TextCause | 'tools-order' | 'tools-change' | 'gap' | 'several-models'

/** Milliseconds for which a prefix that no request reads stays in the cache of a model. */
export type LifeOf = (model: string) => number

export interface Simulation {
  mends: ReadonlySet<Mend>
  lifeOf: LifeOf
  /** by row: no request of the family came within the life of the cache before it */
  isLonely: readonly boolean[]
}

/** Ids of a family are below it (`MOST_PIECES` of its layout). */
const MOST_IDS = 2 ** 24
/** Before all times, also where a cache keeps a prefix for ever. */
const NEVER = -Infinity
/** In place of a list of tools that is the same for all. */
const ONE_LIST = 0

type Sequence = readonly Pick<LaidPiece, 'id' | 'bytes'>[]

const toolsOf = ({ tools }: LaidRequest, mends: ReadonlySet<Mend>): Sequence => {
  if (mends.has('tools-change'))
    return [{ id: ONE_LIST, bytes: tools.reduce((sum, { bytes }) => sum + bytes, 0) }]
  return mends.has('tools-order') ? tools.toSorted((a, b) => a.id - b.id) : tools
}

/** The pieces with those of the mended causes behind the last constant text. @param marks of these causes */
const mended = ({ texts, lastConstant }: LaidRequest, marks: ReadonlySet<number>): Sequence => {
  const start = texts.slice(0, lastConstant + 1)
  const moved = start.filter(({ mark }) => marks.has(mark))
  if (moved.length === 0) return texts
  const kept = start.filter(({ mark }) => !marks.has(mark))
  return [...kept, ...moved, ...texts.slice(lastConstant + 1)]
}

/** All prefixes that were seen, as a tree. */
class Prefixes {
  private readonly children = new Map<number, number>()
  private readonly seen: number[] = [0]

  /** @returns bytes of the longest prefix that was seen since `oldest`; then the whole is seen at `at` */
  read(sequence: Sequence, read: { isOpen: boolean; bytes: number }, place: Visit): number {
    let { node } = place
    for (const { id, bytes } of sequence) {
      const key = node * MOST_IDS + id
      let next = this.children.get(key)
      if (next === undefined) {
        next = this.seen.length
        this.children.set(key, next)
        this.seen.push(NEVER)
      }
      if (read.isOpen && this.seen[next]! >= place.oldest) read.bytes += bytes
      else read.isOpen = false
      this.seen[next] = place.at
      node = next
    }
    return node
  }
}

interface Visit {
  node: number
  oldest: number
  at: number
}

/** @returns bytes of each row's prefix that the cache holds, before the provider's minimum and steps */
export const prefixBytes = ({ rows, causes }: Layout, simulation: Simulation): number[] => {
  const { mends, lifeOf, isLonely } = simulation
  const marks = new Set(causes.flatMap((cause, mark) => (mends.has(cause) ? [mark] : [])))
  const places = new Map<string, Prefixes>()
  return rows.map((row, index) => {
    const { at, model, place } = row.request
    const key = mends.has('several-models') ? '' : place
    const prefixes = places.get(key) ?? new Prefixes()
    places.set(key, prefixes)
    const life = mends.has('gap') && isLonely[index] ? Infinity : lifeOf(model)
    const visit = { node: 0, oldest: Math.max(at - life, -Number.MAX_VALUE), at }
    const read = { isOpen: true, bytes: 0 }
    const node = prefixes.read(toolsOf(row, mends), read, visit)
    prefixes.read(mended(row, marks), read, { ...visit, node })
    return read.bytes
  })
}

/** By row: whether no request of the family came within the life of the cache before it. */
export const lonelyRows = ({ rows }: Layout, lifeOf: LifeOf): boolean[] =>
  rows.map(({ request: { at, model } }, index) => {
    const before = rows[index - 1]
    return before !== undefined && at - before.request.at > lifeOf(model)
  })

const forEver: LifeOf = () => Infinity

/** Bytes of a row's prefix. */
export type PrefixOf = (row: LaidRequest) => number

/** The simulations of a family, each made once. */
export class Simulations {
  readonly isLonely: boolean[]
  private readonly made = new Map<string, PrefixOf>()

  constructor(
    private readonly layout: Layout,
    private readonly lifeOf: LifeOf
  ) {
    this.isLonely = lonelyRows(layout, lifeOf)
  }

  after(mends: readonly Mend[]): PrefixOf {
    return this.once(mends, this.lifeOf)
  }

  /** However long ago the earlier request was. */
  ever(mends: readonly Mend[]): PrefixOf {
    return this.once(mends, forEver)
  }

  private once(mends: readonly Mend[], lifeOf: LifeOf): PrefixOf {
    const key = [lifeOf === forEver, ...mends.toSorted()].join()
    const known = this.made.get(key)
    if (known !== undefined) return known
    const { isLonely } = this
    const bytes = prefixBytes(this.layout, { mends: new Set(mends), lifeOf, isLonely })
    const prefixOf: PrefixOf = ({ index }) => itemAt(bytes, index)
    this.made.set(key, prefixOf)
    return prefixOf
  }
}
