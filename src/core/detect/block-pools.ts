/**
 * The pools of example blocks inside messages. Where a block stands is known only once its template is found: the
 * pool begins with the sampled requests, and each later session adds its examples. Bounded. A snapshot restores it.
 */
import type { ChatMessage } from '../../openai/chat.ts'
import { valueIn } from '../lists.ts'
import { compileMatcher, type Matcher } from '../match/match.ts'
import { hashText, toInteger } from '../request/request-scan.ts'
import { examplesOf } from '../template/known.ts'
import { areSiblings } from '../template/version.ts'
import type { ExamplePool as PoolOfTemplate, RequestKey, Template } from '../template/template.ts'
import { learnable } from './building/examples.ts'
import type { ByteReader, ByteWriter } from './sampling/bytes.ts'
import { ExamplePool } from './sampling/example-pool.ts'

/** A pool takes up to a megabyte; templates with fewer sessions keep what their samples show. */
const MAX_TEMPLATES = 16

/** The blocks of one session by the names of their places, with who sent it. */
export interface SentBlocks {
  examples: Readonly<Record<string, string>>
  session: number
  caller: string
}

/**
 * The text of an example's place in a matched request.
 * @throws RangeError where the match has none of this name: a defect
 */
export const exampleIn = (examples: SentBlocks['examples'], name: string): string => {
  const text = examples[name]
  if (text === undefined) throw new RangeError(`no example of the name ${name}`)
  return text
}

interface Watched {
  template: Template
  /** by the name of the place */
  pools: Map<string, ExamplePool>
}

const divisionsText = (template: Template): string =>
  JSON.stringify(examplesOf(template).map(({ name, pool }) => [name, pool?.division]))

const blocksOf = (template: Template): { name: string; pool: PoolOfTemplate }[] =>
  examplesOf(template).flatMap(({ name, pool }) => (pool === undefined ? [] : [{ name, pool }]))

export class BlockPools {
  private watched = new Map<string, Watched>()
  private matcher: Matcher | null = null

  /** @param seed keys the hashes of blocks */
  constructor(private readonly seed: number) {}

  get bytes(): number {
    const pools = [...this.watched.values()].flatMap((each) => [...each.pools.values()])
    return pools.reduce((sum, pool) => sum + pool.bytes, 0)
  }

  /**
   * The pools of a template's blocks by name, which later sessions grow.
   * @param sent by the sampled sessions, for a template that was not watched, or was divided otherwise
   */
  of(template: Template, sent: () => SentBlocks[]): ReadonlyMap<string, ExamplePool> {
    const known = this.watched.get(template.version)
    if (known && divisionsText(known.template) === divisionsText(template)) {
      known.template = template
      return known.pools
    }
    const pools = new Map(blocksOf(template).map(({ name }) => [name, new ExamplePool()]))
    const fresh: Watched = { template, pools }
    for (const each of sent()) this.add(fresh, each)
    if (known || this.watched.size < MAX_TEMPLATES) this.watch(fresh)
    return pools
  }

  /** Ends the pools of templates that are no longer found. */
  retain(templates: readonly Template[]): void {
    for (const watched of this.watched.keys())
      if (!templates.some(({ version }) => areSiblings(version, watched)))
        this.watched.delete(watched)
    this.matcher = null
  }

  /** Adds the examples of a session's first request. */
  observe(key: RequestKey, messages: ChatMessage[], session: number): void {
    if (this.watched.size === 0) return
    this.matcher ??= compileMatcher(
      [...this.watched.values()].map(({ template }) => template),
      true
    )
    const match = this.matcher.match(key, messages)
    if (match === null) return
    const { examples } = match
    const watched = valueIn(this.watched, match.template.version)
    this.add(watched, { examples, session, caller: key.caller ?? '' })
  }

  write(writer: ByteWriter): void {
    writer.int(this.watched.size)
    for (const { template, pools } of this.watched.values()) {
      writer.string(JSON.stringify(template))
      // in the order of the template's blocks
      for (const pool of pools.values()) pool.write(writer)
    }
  }

  /** Adds what `write` wrote. */
  read(reader: ByteReader): void {
    for (let left = reader.int(); left > 0; left--) {
      const template = JSON.parse(reader.string()) as Template
      const pools = blocksOf(template).map(({ name }) => [name, ExamplePool.read(reader)] as const)
      const own = this.of(template, () => [])
      for (const [name, pool] of pools) valueIn(own, name).merge(pool)
    }
  }

  private watch(fresh: Watched): void {
    this.watched.set(fresh.template.version, fresh)
    this.matcher = null
  }

  private add({ template, pools }: Watched, { examples, session, caller }: SentBlocks): void {
    for (const { name, pool } of blocksOf(template)) {
      const block = exampleIn(examples, name)
      const digests = learnable(block, pool.division)
      // a block of one item has no neighbours that could differ
      const isAlone = digests.length < 2
      const source = isAlone ? session : toInteger(hashText(digests.join(), this.seed))
      valueIn(pools, name).add({ digests, source, caller })
    }
  }
}
