/**
 * The loras held in memory, and the batch's choice of them as inputs of the decode graph. Knows
 * nothing of files: a lora comes from the `load` function it is given.
 *
 * A batch with several loras sees them as one of the summed rank, and a mask leaves each row its
 * own columns (unmerged weights, so the base model's own rows take part as well).
 */
import { Tensor } from 'onnxruntime-node'
import { AppError } from '../../../src/errors.ts'
import { concatenate } from '../concatenate.ts'
import { moduleName, type LlamaConfig } from '../llama-config.ts'
import { groupShape, LINEAR_GROUPS, loraInput, maskInput } from './decode-graph.ts'
import type { LinearGroup } from './decode-graph.ts'

/** A lora as it is trained and stored: `W + alpha/rank · B · A`. */
export interface LoraMatrices {
  rank: number
  alpha: number
  /**
   * By module (`model.layers.0.mlp.up_proj`): `a` `[rank, in]`, `b` `[out, rank]`, row-major. A
   * module without a lora is absent.
   */
  modules: ReadonlyMap<string, { a: Float32Array; b: Float32Array }>
}

/** One input pair of the decode graph: `a` `[parts · rank, in]`, `b` `[parts · rank, out]`, scaled. */
interface FusedPair {
  a: Float32Array
  b: Float32Array
}

interface ResidentLora {
  id: string
  rank: number
  bytes: number
  /** by layer, then by linear group */
  pairs: FusedPair[]
  feeds: Record<string, Tensor>
  /** rows that use it */
  users: number
}

/** What a step passes to the graph. */
export interface LoraFeeds {
  feeds: Record<string, Tensor>
  rank: number
  /** first column of each lora, in ranks */
  columns: ReadonlyMap<string, { first: number; rank: number }>
}

interface LoraPoolOptions {
  config: LlamaConfig
  /** of all loras in memory, the copy that a mixed batch needs included */
  maxBytes: number
  load: (id: string) => Promise<LoraMatrices>
}

const places = (config: LlamaConfig): { layer: number; group: LinearGroup }[] =>
  Array.from({ length: config.layers }, (_, layer) =>
    LINEAR_GROUPS.map((group) => ({ layer, group }))
  ).flat()

const fusePair = (
  config: LlamaConfig,
  lora: LoraMatrices,
  layer: number,
  group: LinearGroup
): FusedPair => {
  const { rank } = lora
  const shape = groupShape(config, group)
  const parts = group.layers.length
  const a = new Float32Array(parts * rank * shape.in)
  const b = new Float32Array(parts * rank * shape.out)
  const scale = lora.alpha / rank
  let column = 0
  group.layers.forEach((part, index) => {
    const outs = shape.outs[index]!
    const own = lora.modules.get(moduleName(layer, part))
    if (own) {
      if (own.a.length !== rank * shape.in || own.b.length !== outs * rank)
        throw new AppError('invalid-model', `lora of layer ${layer} ${part} has another shape`)
      a.set(own.a, index * rank * shape.in)
      for (let out = 0; out < outs; out++)
        for (let r = 0; r < rank; r++)
          b[(index * rank + r) * shape.out + column + out] = own.b[out * rank + r]! * scale
    }
    column += outs
  })
  return { a, b }
}

const NO_LORAS: LoraFeeds = { feeds: {}, rank: 0, columns: new Map() }

export class LoraPool {
  private readonly options: LoraPoolOptions
  private readonly places: { layer: number; group: LinearGroup }[]
  /** least recently used first */
  private readonly resident = new Map<string, ResidentLora>()
  private mixed: (LoraFeeds & { bytes: number }) | null = null

  constructor(options: LoraPoolOptions) {
    this.options = options
    this.places = places(options.config)
  }

  get bytes(): number {
    let sum = this.mixed?.bytes ?? 0
    for (const lora of this.resident.values()) sum += lora.bytes
    return sum
  }

  has(id: string): boolean {
    return this.resident.has(id)
  }

  /** Rows that use the lora now. */
  users(id: string): number {
    return this.resident.get(id)?.users ?? 0
  }

  /**
   * Counts one more row as the lora's user, loading it if need be.
   * @returns false when the loras in use leave no room for it; ask again when a row has ended
   * @throws AppError `overloaded` when it is larger than the whole limit; whatever `load` throws
   */
  async acquire(id: string): Promise<boolean> {
    let lora = this.resident.get(id)
    if (!lora) {
      lora = this.fuse(id, await this.options.load(id))
      if (lora.bytes > this.options.maxBytes)
        throw new AppError(
          'overloaded',
          `lora ${id} needs ${lora.bytes} bytes, the limit is ${this.options.maxBytes}`
        )
    }
    if (!this.makeRoom(lora)) return false
    this.resident.delete(id)
    this.resident.set(id, lora)
    lora.users++
    return true
  }

  release(id: string): void {
    const lora = this.resident.get(id)
    if (lora) lora.users--
  }

  /** Forgets a lora that no row uses. */
  unload(id: string): void {
    if (this.users(id) > 0) throw new AppError('conflict', `lora ${id} is in use`)
    this.resident.delete(id)
    if (this.mixed?.columns.has(id)) this.mixed = null
  }

  /** @param ids acquired loras, each row's or null for the base model */
  feedsFor(ids: (string | null)[]): LoraFeeds {
    const wanted = [...new Set(ids)].filter((id) => id !== null)
    if (wanted.length === 0) return NO_LORAS
    if (wanted.length === 1) return this.single(this.resident.get(wanted[0]!)!)
    const { mixed } = this
    // a mixture that has some loras more still serves; it is rebuilt when half of it is idle
    const serves =
      mixed !== null &&
      wanted.every((id) => mixed.columns.has(id)) &&
      mixed.columns.size <= 2 * wanted.length
    if (serves) return mixed
    this.mixed = null
    this.mixed = this.mix(wanted.map((id) => this.resident.get(id)!))
    return this.mixed
  }

  private fuse(id: string, lora: LoraMatrices): ResidentLora {
    const { config } = this.options
    const pairs = this.places.map(({ layer, group }) => fusePair(config, lora, layer, group))
    const bytes = pairs.reduce((sum, { a, b }) => sum + a.byteLength + b.byteLength, 0)
    const feeds = this.pairFeeds(pairs, lora.rank)
    return { id, rank: lora.rank, bytes, pairs, feeds, users: 0 }
  }

  /** Evicts what no row uses, least recently used first, until the lora fits. */
  private makeRoom(lora: ResidentLora): boolean {
    const others = [...this.resident.values()].filter(({ id }) => id !== lora.id)
    const used = others.filter(({ users }) => users > 0)
    const usedBytes = used.reduce((sum, { bytes }) => sum + bytes, 0)
    const mixture = used.length > 0 ? usedBytes + lora.bytes : 0
    const { maxBytes } = this.options
    if (usedBytes + lora.bytes + mixture > maxBytes) return false
    let heldBytes = others.reduce((sum, { bytes }) => sum + bytes, 0) + lora.bytes
    for (const idle of others) {
      if (heldBytes + Math.max(mixture, this.mixed?.bytes ?? 0) <= maxBytes) break
      if (idle.users > 0) continue
      this.unload(idle.id)
      heldBytes -= idle.bytes
    }
    return true
  }

  private single(lora: ResidentLora): LoraFeeds {
    return {
      feeds: lora.feeds,
      rank: lora.rank,
      columns: new Map([[lora.id, { first: 0, rank: lora.rank }]]),
    }
  }

  private mix(loras: ResidentLora[]): LoraFeeds & { bytes: number } {
    const columns = new Map<string, { first: number; rank: number }>()
    let rank = 0
    for (const lora of loras) {
      columns.set(lora.id, { first: rank, rank: lora.rank })
      rank += lora.rank
    }
    const pairs = this.places.map((_, index) => ({
      a: concatenate(loras.map((lora) => lora.pairs[index]!.a)),
      b: concatenate(loras.map((lora) => lora.pairs[index]!.b)),
    }))
    const bytes = loras.reduce((sum, lora) => sum + lora.bytes, 0)
    return { feeds: this.pairFeeds(pairs, rank), rank, columns, bytes }
  }

  private pairFeeds(pairs: FusedPair[], rank: number): Record<string, Tensor> {
    const feeds: Record<string, Tensor> = {}
    this.places.forEach(({ layer, group }, index) => {
      const shape = groupShape(this.options.config, group)
      const rows = group.layers.length * rank
      const { a, b } = pairs[index]!
      feeds[loraInput(layer, group, 'a')] = new Tensor('float32', a, [rows, shape.in])
      feeds[loraInput(layer, group, 'b')] = new Tensor('float32', b, [rows, shape.out])
    })
    return feeds
  }
}

/**
 * The masks of one step: 1 where a token may use a lora column.
 * @param tokens each token's lora or null for the base model
 */
export const loraMasks = (loras: LoraFeeds, tokens: (string | null)[]): Record<string, Tensor> => {
  const masks: Record<string, Tensor> = {}
  for (const parts of new Set(LINEAR_GROUPS.map((group) => group.layers.length))) {
    const width = parts * loras.rank
    const mask = new Float32Array(tokens.length * width)
    tokens.forEach((id, token) => {
      const own = id === null ? undefined : loras.columns.get(id)
      if (!own) return
      const start = token * width + parts * own.first
      mask.fill(1, start, start + parts * own.rank)
    })
    masks[maskInput(parts)] = new Tensor('float32', mask, [tokens.length, width])
  }
  return masks
}
