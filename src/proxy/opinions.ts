/**
 * Second opinions of live routes, read from the store when a route first needs its own. Knows nothing
 * of requests.
 */
import { LRUCache } from 'lru-cache'
import { neighboursName, secondOpinion, type SecondOpinion } from '../core/neighbours.ts'
import { AppError } from '../errors.ts'

/** @throws AppError `not-found`, `internal` for a damaged index, what `load` throws */
export type Opinions = (internalizationId: string) => Promise<SecondOpinion>

export interface OpinionOptions {
  /** a snapshot by its name; null when there is none */
  load: (name: string) => Promise<Uint8Array | null>
  /** of all indexes in memory */
  maxBytes: number
}

interface Loaded {
  opinion: SecondOpinion
  bytes: number
}

export const createOpinions = ({ load, maxBytes }: OpinionOptions): Opinions => {
  const cache = new LRUCache<string, Loaded>({
    maxSize: maxBytes,
    sizeCalculation: ({ bytes }) => bytes,
    fetchMethod: async (internalizationId) => {
      const bytes = await load(neighboursName(internalizationId))
      if (bytes === null)
        throw new AppError('not-found', `${internalizationId} has no index of logged queries`)
      return { opinion: secondOpinion(bytes), bytes: bytes.byteLength }
    },
  })
  return async (internalizationId) => (await cache.forceFetch(internalizationId)).opinion
}
