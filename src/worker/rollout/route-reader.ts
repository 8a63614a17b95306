/** Everything that the pairs of one live route say, read in the order of their places. */
import {
  IndicatorReader,
  type Baseline,
  type IndicatorFigures,
} from '../../core/rollout/indicators.ts'
import { BorderReader, type BorderSums } from '../../core/rollout/border.ts'
import { PairReader, type PairSums } from '../../core/rollout/pair-reader.ts'
import { isAnswered, isAnsweredFrom, type WatchedPair } from '../../core/rollout/pair.ts'
import type { LeastLoss } from '../../core/rollout/evidence.ts'
import { AnswerReader, type WithheldAnswer } from '../../core/rollout/withheld.ts'
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
  private readonly answers: AnswerReader
  private readonly countsFrom: number

  /**
   * @param options.baseline null where no held-out record was left to make it from
   * @param options.borders the wider ones of `bordersOf`
   * @param options.countsFrom see `leastCounted`
   * @param options.labels all answers that are possible; null: they are no closed set
   */
  constructor(options: {
    isSingle: boolean
    pairsBefore: number
    baseline: Baseline | null
    borders: readonly number[]
    countsFrom: number
    labels: readonly string[] | null
  }) {
    const { isSingle, pairsBefore, baseline, borders, labels, countsFrom } = options
    this.countsFrom = countsFrom
    this.pairs = new PairReader(isSingle, pairsBefore, countsFrom)
    this.indicators = baseline && new IndicatorReader(baseline)
    this.border = new BorderReader(borders)
    this.answers = new AnswerReader(labels)
  }

  /** of the last pair that was read; 0 before the first */
  get lastPlace(): number {
    return this.pairs.lastPlace
  }

  read(pairs: readonly WatchedPair[]): void {
    this.pairs.read(pairs)
    for (const pair of pairs) {
      this.upstream.read(pair)
      if (!this.thinning.keeps(pair)) continue
      this.border.read(pair)
      if (isAnsweredFrom(this.countsFrom, pair)) this.answers.read(pair)
      if (pair.outcome !== 'unusable' && pair.outcome !== 'refused')
        this.indicators?.read({
          ...pair,
          isFallback: !isAnswered(pair) && pair.outcome !== 'withheld',
        })
    }
  }

  /** @param capital at which a route is rolled back */
  wrongAnswers(capital: number, least: LeastLoss): WithheldAnswer[] {
    return this.answers.wrong(capital, least)
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
