/**
 * The models that answered for the upstream, with the loss against each. A provider that puts another model
 * behind a name changes the answers that a lora was trained on. Knows nothing of stores.
 */
import { addCounts, NO_PAIRS, onePair, type LossCounts } from './evidence.ts'
import { isAnswered, lossOf, type WatchedPair } from './pair.ts'

/** With the audited requests that the lora would have answered, each counted by itself. */
export interface UpstreamVersion extends LossCounts {
  /** `model` of the upstream's answers, and its `system_fingerprint` where there is one */
  name: string
  /** of the first and of the last request, milliseconds since the epoch */
  from: number
  to: number
}

/** A provider may have several fingerprints at once; the one that was seen longest ago is left out. */
const MAX_VERSIONS = 16

export class UpstreamVersionReader {
  private readonly versions = new Map<string, UpstreamVersion>()

  read(pair: WatchedPair): void {
    const { upstreamModel: name, at } = pair
    if (name === null) return
    const known = this.versions.get(name) ?? { name, ...NO_PAIRS, from: at, to: at }
    const counts = isAnswered(pair) ? onePair(lossOf(pair)) : NO_PAIRS
    this.versions.delete(name)
    this.versions.set(name, { ...known, ...addCounts(known, counts), to: at })
    for (const oldest of this.versions.keys()) {
      if (this.versions.size <= MAX_VERSIONS) break
      this.versions.delete(oldest)
    }
  }

  /** the one that was seen last comes last */
  list(): UpstreamVersion[] {
    return [...this.versions.values()]
  }
}
