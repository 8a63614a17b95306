/** Everything that the pairs of one live route say, read in the order of their places. */
import {
  IndicatorReader,
  type Baseline,
  type IndicatorFigures,
} from '../../core/rollout/indicators.ts'
import { BorderReader, type BorderSums } from '../../core/rollout/border.ts'
import { CountedConversations, PairReader, type PairSums } from '../../core/rollout/pair-reader.ts'
import { isAnswered, type WatchedPair } from '../../core/rollout/pair.ts'
import type { LeastLoss } from '../../core/rollout/evidence.ts'
import { PartReader, type WithheldPart } from '../../core/rollout/withheld.ts'
import type { RoutePart } from '../../core/route/parts.ts'
import { Thinning } from '../../core/rollout/thinning.ts'
import {
  UpstreamVersionReader,
  type UpstreamVersion,
} from '../../core/rollout/upstream-versions.ts'

export interface RouteFigures {
  sums: PairSums
  border: BorderSums
  indicators: IndicatorFigures[]
  upstreamVersions: UpstreamVersion[]
}

export class RouteReader {
  private readonly pairs: PairReader
  private readonly indicators: IndicatorReader | null
  /** the questions of all hours count alike, too */
  private readonly thinning = new Thinning()
  private readonly upstream = new UpstreamVersionReader()
  private readonly border: BorderReader
  private readonly conversations: CountedConversations<WatchedPair>
  private readonly parts: PartReader

  /**
   * @param options.baseline null where no held-out record was left to make it from
   * @param options.borders the wider ones of `bordersOf`
   * @param options.countsFrom see `leastCounted`
   * @param options.parts of the plan
   * @param options.withheldShare see `withheldShare` of a live route
   */
  constructor(options: {
    isSingle: boolean
    pairsBefore: number
    baseline: Baseline | null
    borders: readonly number[]
    countsFrom: number
    parts: readonly RoutePart[]
    withheldShare: number
  }) {
    const { isSingle, pairsBefore, baseline, borders, parts, countsFrom } = options
    this.pairs = new PairReader(isSingle, pairsBefore, countsFrom)
    this.indicators = baseline && new IndicatorReader(baseline, options.withheldShare)
    this.border = new BorderReader(borders)
    this.conversations = new CountedConversations(isSingle, countsFrom)
    this.parts = new PartReader(parts)
  }

  /** of the last pair that was read; 0 before the first */
  get lastPlace(): number {
    return this.pairs.lastPlace
  }

  read(pairs: readonly WatchedPair[]): void {
    this.pairs.read(pairs)
    for (const pair of pairs) {
      this.upstream.read(pair)
      for (const { turns } of this.conversations.read(pair)) this.parts.read(turns)
      if (!this.thinning.keeps(pair)) continue
      this.border.read(pair)
      if (pair.outcome !== 'unusable' && pair.outcome !== 'refused')
        this.indicators?.read({
          ...pair,
          isFallback: !isAnswered(pair) && pair.outcome !== 'withheld',
        })
    }
  }

  /** @param capital at which a route is rolled back */
  wrongParts(capital: number, least: LeastLoss): WithheldPart[] {
    return this.parts.wrong(capital, least)
  }

  /** @param now see `PairReader.sums` */
  figures(now: number): RouteFigures {
    return {
      sums: this.pairs.sums(now),
      border: this.border.sums(),
      indicators: this.indicators?.figures() ?? [],
      upstreamVersions: this.upstream.list(),
    }
  }
}
