/**
 * Whether facts find what was changed in an answer and let a fair paraphrase pass, and how long they take. Pairs are drawn
 * from seeded grammars of three languages.
 */
import { factsOf, inventedBeside } from '../../src/core/facts/facts.ts'
import { indexKnown, inventedFacts, knownFacts } from '../../src/core/facts/known.ts'
import { groupBy } from '../../src/core/group-by.ts'
import { DOMAINS } from './facts/domains.ts'
import { drawPairs, type Pair } from './facts/pairs.ts'
import { Draw } from '../../test/kit/form-grammars.ts'
import { spread, withBar, type Figures } from '../../test/kit/report.ts'

export interface FactsRun {
  /** of changes and of paraphrases, from each set of domains */
  pairs: number
  seed: number
  /** texts that are timed */
  rounds: number
  /** prints the pairs that are judged wrong */
  show: boolean
}

const LEAST_FOUND = 0.95
const MOST_FALSE_ALARMS = 0.05
const MAX_MS = 1
const CHARS = 2000

const inventedIn = ({ answer, logged, request }: Pair) =>
  inventedBeside(answer, { logged, request: factsOf(request) })

/** Share of the pairs that are a loss. */
const lossShare = (pairs: readonly Pair[], isExpected: boolean, { show }: FactsRun): number => {
  let losses = 0
  for (const pair of pairs) {
    const invented = inventedIn(pair)
    const isLoss = invented.length > 0
    if (isLoss) losses++
    if (show && isLoss !== isExpected) console.log(JSON.stringify({ ...pair, invented }, null, 1))
  }
  return losses / pairs.length
}

const figuresOf = (run: FactsRun): Figures => {
  const changes = drawPairs(new Draw(run.seed + 10), DOMAINS, run.pairs, true)
  const paraphrases = drawPairs(new Draw(run.seed + 11), DOMAINS, run.pairs, false)
  const figures: Figures = {
    facts_found: withBar({ value: lossShare(changes, true, run), unit: '' }, '>=', LEAST_FOUND),
    facts_false_alarm: withBar(
      { value: lossShare(paraphrases, false, run), unit: '' },
      '<=',
      MOST_FALSE_ALARMS
    ),
  }
  for (const [kind, pairs] of groupBy(changes, ({ changed = '' }) => changed)) {
    const found = pairs.filter((pair) => inventedIn(pair).length > 0).length
    figures[`facts_found_${kind}`] = {
      value: found / pairs.length,
      unit: `of ${pairs.length}`,
    }
  }
  return figures
}

/** Wall time of each text in milliseconds, after one round that compiles. */
const timesOf = (texts: readonly string[], run: (text: string) => unknown): number[] => {
  for (const text of texts) run(text)
  return texts.map((text) => {
    const begun = performance.now()
    run(text)
    return performance.now() - begun
  })
}

/** Times for `CHARS` characters: of the atoms of a text, and of an answer and its request of half as many each. */
const timeFigures = (rounds: number, seed: number): Figures => {
  const drawn = drawPairs(new Draw(seed), DOMAINS, rounds * 20, false)
  const texts = Array.from({ length: rounds }, (_, at) =>
    drawn
      .slice(at * 20, at * 20 + 20)
      .map(({ logged }) => logged)
      .join('\n')
      .slice(0, CHARS)
  )
  const known = indexKnown(
    knownFacts(drawn.map(({ request, logged }) => ({ request, answer: logged })))
  )
  const serve = (text: string): unknown => {
    const half = text.length >> 1
    return inventedFacts(text.slice(0, half), { request: factsOf(text.slice(half)), known })
  }
  const figure = (run: (text: string) => unknown) =>
    withBar(spread(timesOf(texts, run), 'ms'), '<=', MAX_MS)
  return { facts_ms: figure((text) => factsOf(text)), facts_serving_ms: figure(serve) }
}

export const measureFacts = (run: FactsRun): Figures => ({
  ...figuresOf(run),
  ...timeFigures(run.rounds, run.seed + 2),
})
