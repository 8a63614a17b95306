/**
 * The provider's cache in a simulation: how much of each request an earlier one has left in it, as the requests are
 * and as they would be after mends. Prefixes are kept by model and credential, for the life of the cache.
 */
import type { LaidRequest, Layout } from './layout.ts'
import type { TextCause } from './text-cause.ts'

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

interface Sequence {
  ids: number[]
  bytes: number[]
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0)

const toolsOf = ({ tools }: LaidRequest, mends: ReadonlySet<Mend>): Sequence => {
  if (mends.has('tools-change')) return { ids: [ONE_LIST], bytes: [sum(tools.bytes)] }
  if (!mends.has('tools-order')) return tools
  const order = [...tools.ids.keys()].toSorted((a, b) => tools.ids[a]! - tools.ids[b]!)
  return { ids: order.map((at) => tools.ids[at]!), bytes: order.map((at) => tools.bytes[at]!) }
}

/** The pieces with those of the mended causes behind the last constant text. */
const mended = (row: LaidRequest, isMoved: readonly boolean[]): Sequence => {
  const { ids, bytes, marks, lastConstant } = row
  if (!marks.some((mark, at) => at < lastConstant && mark >= 0 && isMoved[mark])) return row
  const order: number[] = []
  const moved: number[] = []
  for (let at = 0; at < ids.length; at++) {
    const isBefore = at < lastConstant && marks[at]! >= 0 && isMoved[marks[at]!]!
    ;(isBefore ? moved : order).push(at)
    if (at === lastConstant) order.push(...moved)
  }
  return { ids: order.map((at) => ids[at]!), bytes: order.map((at) => bytes[at]!) }
}

/** All prefixes that were seen, as a tree. */
class Prefixes {
  private readonly children = new Map<number, number>()
  private readonly seen: number[] = [0]

  /** @returns bytes of the longest prefix that was seen since `oldest`; then the whole is seen at `at` */
  read({ ids, bytes }: Sequence, read: { isOpen: boolean; bytes: number }, place: Visit): number {
    let { node } = place
    for (let index = 0; index < ids.length; index++) {
      const key = node * MOST_IDS + ids[index]!
      let next = this.children.get(key)
      if (next === undefined) {
        next = this.seen.length
        this.children.set(key, next)
        this.seen.push(NEVER)
      }
      if (read.isOpen && this.seen[next]! >= place.oldest) read.bytes += bytes[index]!
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
  const isMoved = causes.map((cause) => mends.has(cause))
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
    prefixes.read(mended(row, isMoved), read, { ...visit, node })
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

/** The simulations of a family, each made once. */
export class Simulations {
  readonly isLonely: boolean[]
  private readonly made = new Map<string, number[]>()
  private readonly layout: Layout
  private readonly lifeOf: LifeOf

  constructor(layout: Layout, lifeOf: LifeOf) {
    this.layout = layout
    this.lifeOf = lifeOf
    this.isLonely = lonelyRows(layout, lifeOf)
  }

  /** Bytes of each row's prefix. */
  after(mends: readonly Mend[]): number[] {
    return this.once(mends, this.lifeOf)
  }

  /** However long ago the earlier request was. */
  ever(mends: readonly Mend[]): number[] {
    return this.once(mends, forEver)
  }

  private once(mends: readonly Mend[], lifeOf: LifeOf): number[] {
    const key = [lifeOf === forEver, ...mends.toSorted()].join()
    const known = this.made.get(key)
    if (known !== undefined) return known
    const { isLonely } = this
    const bytes = prefixBytes(this.layout, { mends: new Set(mends), lifeOf, isLonely })
    this.made.set(key, bytes)
    return bytes
  }
}
