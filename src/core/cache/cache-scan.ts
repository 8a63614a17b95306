/**
 * Keeps of a log what tells why its provider's cache is not read: stretches of consecutive requests of each template
 * and of what is no template, in bounded memory.
 */
import type { ChatRequest } from '../../openai/chat.ts'
import { tokenCounts } from '../../openai/usage/usage.ts'
import type { ExchangeRecord } from '../log/record.ts'
import { valueIn } from '../lists.ts'
import { estimateUsage, type CountTokens } from '../log/estimate-usage.ts'
import { isAnsweredByUpstream } from '../rollout/population.ts'
import type { Match, Template } from '../template/template.ts'
import { familiesOf, type Sampled, type KeptRequest } from './families.ts'
import { findingsOf, type CacheFinding, type CacheRules } from './finding.ts'
import { PiecePool } from './piece.ts'
import { anchorPieces, readPieces } from './read-pieces.ts'
import { Stretches } from './stretches.ts'

const HOUR_MS = 3_600_000
/** Places in a log without times, which stand for its milliseconds. */
const STRETCH_ROWS = 500
const MOST_REQUESTS = 24_000
const MOST_REQUESTS_OF_A_TEMPLATE = 3000
const MOST_BYTES = 48 * 2 ** 20
/** Of a request, and of a piece that no other request has; measured with Node 20, rounded up. */
const [BYTES_OF_REQUEST, BYTES_OF_PIECE] = [300, 30]

/** A tokenizer takes milliseconds for a request. Of one template, like those of `Tally`. */
const MOST_ESTIMATES = 50

/** Keys that the proxy issued are sent on under one credential of the provider. */
const credentialOf = (tenant: string): string => (tenant.startsWith('issued:') ? 'issued' : tenant)

interface Counted extends Sampled {
  /** requests of the log, kept or not */
  seen: number
  /** of those that are kept, with tokens of the tokenizer */
  estimates: number
}

export class CacheScan {
  private readonly pool = new PiecePool()
  /** by the template's version */
  private readonly samples: ReadonlyMap<string, Counted>
  /** of requests without a template */
  private readonly others: Counted

  /**
   * @param isTimed false: `at` of the records is their place in the log
   * @param countTokens for calls whose provider counted none; null: four bytes are a token
   */
  constructor(
    templates: readonly Template[],
    isTimed: boolean,
    private readonly countTokens: CountTokens | null
  ) {
    const parts = templates.length + 1
    const items = Math.min(MOST_REQUESTS_OF_A_TEMPLATE, Math.ceil(MOST_REQUESTS / parts))
    const length = isTimed ? HOUR_MS : STRETCH_ROWS
    const limits = { items, bytes: MOST_BYTES / parts, length }
    const sampleOf = (version: string | null, anchors: Counted['anchors']): Counted => ({
      version,
      anchors,
      stretches: new Stretches<KeptRequest>(limits),
      seen: 0,
      estimates: 0,
    })
    this.samples = new Map(
      templates.map((template) => [
        template.version,
        sampleOf(template.version, anchorPieces(template, this.pool)),
      ])
    )
    this.others = sampleOf(null, [])
  }

  /** @param match null: no template has the request */
  add(record: ExchangeRecord, request: ChatRequest, match: Match | null): void {
    const version = match?.template.version ?? null
    const sample = this.sampleOf(version)
    const { stretches } = sample
    if (!isAnsweredByUpstream(record)) return
    sample.seen++
    if (!stretches.wants(record.at)) return
    const counts = record.usage && tokenCounts(record.usage)
    const pieces = readPieces(request, match, this.pool)
    const { at, model, tenant } = record
    const kept: KeptRequest = {
      at,
      model,
      place: `${model}\n${credentialOf(tenant)}`,
      version,
      pieces,
      input: counts?.input ?? this.estimated(record, sample),
      cached: counts?.cachedInput ?? null,
    }
    const own = pieces.filter(({ part }) => part !== 'constant' && part !== 'role')
    const heads = own.reduce((sum, { head }) => sum + 130 + 2 * head.length, 0)
    const names = 4 * model.length + 2 * tenant.length
    stretches.add(kept, BYTES_OF_REQUEST + BYTES_OF_PIECE * pieces.length + heads + names)
  }

  private sampleOf(version: string | null): Counted {
    return version === null ? this.others : valueIn(this.samples, version)
  }

  /** All of a template; of requests without one, the part that they are of the sample. */
  private requestsOf({ version, requests }: CacheFinding): number {
    const { seen, stretches } = this.sampleOf(version)
    if (version !== null) return seen
    const kept = stretches.all().reduce((sum, { items }) => sum + items.length, 0)
    return Math.round((requests * seen) / Math.max(1, kept))
  }

  private estimated(record: ExchangeRecord, sample: Counted): number | null {
    if (this.countTokens === null || sample.estimates >= MOST_ESTIMATES) return null
    sample.estimates++
    return estimateUsage(record, this.countTokens)?.prompt_tokens ?? null
  }

  /** Of one prompt after the other; each takes a second at most. */
  *findings(rules: CacheRules): Generator<CacheFinding[]> {
    for (const family of familiesOf([...this.samples.values(), this.others], rules.lifeOf))
      yield findingsOf(family, rules).map((finding) => ({
        ...finding,
        requests: this.requestsOf(finding),
      }))
  }
}
