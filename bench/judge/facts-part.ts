/**
 * Whether facts find what was changed in an answer and let a fair paraphrase pass, and how long they take. Pairs are drawn
 * from seeded grammars of five languages; the rules were tuned on the first set of domains, and never on the second.
 */
import { compareFacts } from '../../src/core/facts/compare.ts'
import { factsOf } from '../../src/core/facts/facts.ts'
import { indexKnown, inventedFacts, knownFacts } from '../../src/core/facts/known.ts'
import { groupBy } from '../../src/core/group-by.ts'
import { DOMAINS } from '../../test/kit/facts/domains.ts'
import { HELD_OUT_DOMAINS } from '../../test/kit/facts/held-out-domains.ts'
import { drawPairs, type Domain, type Pair } from '../../test/kit/facts/pairs.ts'
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

/** Share of the pairs that are a loss. */
const lossShare = (pairs: readonly Pair[], isExpected: boolean, { show }: FactsRun): number => {
  let losses = 0
  for (const pair of pairs) {
    const { inventions, negations, isLoss } = compareFacts(pair)
    if (isLoss) losses++
    if (show && isLoss !== isExpected)
      console.log(JSON.stringify({ ...pair, inventions, negations }, null, 1))
  }
  return losses / pairs.length
}

const figuresOf = (
  run: FactsRun,
  name: string,
  domains: readonly Domain[],
  seed: number
): Figures => {
  const changes = drawPairs(new Draw(seed), domains, run.pairs, true)
  const paraphrases = drawPairs(new Draw(seed + 1), domains, run.pairs, false)
  const figures: Figures = {
    [`facts_found${name}`]: withBar(
      { value: lossShare(changes, true, run), unit: '' },
      '>=',
      LEAST_FOUND
    ),
    [`facts_false_alarm${name}`]: withBar(
      { value: lossShare(paraphrases, false, run), unit: '' },
      '<=',
      MOST_FALSE_ALARMS
    ),
  }
  for (const [kind, pairs] of groupBy(changes, ({ changed = '' }) => changed)) {
    const found = pairs.filter((pair) => compareFacts(pair).isLoss).length
    figures[`facts_found${name}_${kind}`] = {
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
    return inventedFacts({ answer: text.slice(0, half), request: text.slice(half), known })
  }
  const figure = (run: (text: string) => unknown) =>
    withBar(spread(timesOf(texts, run), 'ms'), '<=', MAX_MS)
  return { facts_ms: figure((text) => factsOf(text)), facts_serving_ms: figure(serve) }
}

export const measureFacts = (run: FactsRun): Figures => ({
  ...figuresOf(run, '', HELD_OUT_DOMAINS, run.seed + 10),
  ...figuresOf(run, '_tuned', DOMAINS, run.seed),
  ...timeFigures(run.rounds, run.seed + 2),
})
