/**
 * Keys and values of past prompts, in blocks of 32 tokens, so that a beginning that prompts share is
 * computed once. Bounded in bytes; the least recently used blocks are evicted first.
 *
 * A block is found by the block before it and its own tokens, compared in full: there are no hash
 * collisions that could mix up two prompts.
 */
import { LRUCache } from 'lru-cache'

export const PREFIX_BLOCK = 32

interface Block {
  id: number
  data: Float32Array
}

export class PrefixCache {
  private readonly blocks: LRUCache<string, Block>
  private lastId = 0

  constructor(limits: { maxBytes: number }) {
    this.blocks = new LRUCache({
      maxSize: limits.maxBytes,
      sizeCalculation: ({ data }, key) => data.byteLength + 2 * key.length,
    })
  }

  get bytes(): number {
    return this.blocks.calculatedSize
  }

  /**
   * The cached blocks that the prompt begins with.
   * @param lora keys and values depend on it; null for the base model
   * @param atMost tokens that may come from the cache; the others must be computed
   */
  find(lora: string | null, ids: readonly number[], atMost: number): Float32Array[] {
    const chain = this.chain(lora, ids, Math.floor(atMost / PREFIX_BLOCK))
    this.touch(chain)
    return chain.map(({ block }) => block.data)
  }

  /**
   * Keeps the whole blocks of a prompt.
   * @param read copies the keys and values of 32 tokens from `start` on
   */
  store(lora: string | null, ids: readonly number[], read: (start: number) => Float32Array): void {
    const count = Math.floor(ids.length / PREFIX_BLOCK)
    const chain = this.chain(lora, ids, count)
    let parent = chain.at(-1)?.block.id ?? 0
    for (let index = chain.length; index < count; index++) {
      const key = blockKey(lora, parent, ids, index)
      const block = { id: ++this.lastId, data: read(index * PREFIX_BLOCK) }
      this.blocks.set(key, block)
      chain.push({ key, block })
      parent = block.id
    }
    this.touch(chain)
  }

  private chain(
    lora: string | null,
    ids: readonly number[],
    count: number
  ): { key: string; block: Block }[] {
    const chain: { key: string; block: Block }[] = []
    let parent = 0
    for (let index = 0; index < count; index++) {
      const key = blockKey(lora, parent, ids, index)
      const block = this.blocks.peek(key)
      if (!block) break
      chain.push({ key, block })
      parent = block.id
    }
    return chain
  }

  /** Marks the first block as used last, because a chain is useless without its beginning. */
  private touch(chain: { key: string }[]): void {
    for (const { key } of chain.toReversed()) this.blocks.get(key)
  }
}

const blockKey = (
  lora: string | null,
  parent: number,
  ids: readonly number[],
  index: number
): string => {
  const tokens = ids.slice(index * PREFIX_BLOCK, (index + 1) * PREFIX_BLOCK)
  return `${parent === 0 ? JSON.stringify(lora) : ''}|${parent}|${tokens.join()}`
}
