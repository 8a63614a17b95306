/** The reasons of a live route in words. */
import { minuteText, partText } from '../days.ts'
import { percent } from '../gate/figures.ts'
import { badText, differenceText, points } from '../outcomes/outcome-text.ts'
import type { ReasonFigures, Sayings } from '../reason.ts'
import { capitalText, countsText, lossText } from '../rollout/evidence-text.ts'

const changedCoverage = ({
  coverage,
}: {
  coverage: { audited: number; before: number; after: number } | null
}): string => {
  if (coverage === null) return ''
  const { audited, before, after } = coverage
  const [then, now] = [before, after].map((requests) => percent(requests / Math.max(1, audited)))
  return `; it answers ${now} of the audited requests, ${then} before`
}

const border = (
  figures: ReasonFigures['border-widened'],
  [only, since]: [only: string, since: string]
): string =>
  `answers ${only}from a confidence of ${figures.threshold.toPrecision(3)} on: it disagrees with the upstream in ` +
  `${countsText(figures, `${figures.pairs} requests`)} of that confidence${since}; evidence ` +
  capitalText(figures.evidence) +
  changedCoverage(figures)

const WITHHELD_WORDS: Record<'answer' | 'request', (count: number) => string> = {
  answer: (count) => `no longer gives ${count} of its answers`,
  request: (count) => `no longer answers ${count} of its kinds of requests`,
}

const INDICATOR_TEXTS: Record<ReasonFigures['questions-changed']['indicator'], string> = {
  fallbacks: 'would go to the upstream',
  'low-confidence': 'get an answer with a confidence below the median of the proof',
  'long-questions': 'are longer than the 90th percentile of the proof',
  'new-labels': 'get a new label from the upstream',
}

const withheldText = (figures: ReasonFigures['withheld']): string =>
  figures.parts
    .map(
      (part) =>
        `${WITHHELD_WORDS[part.kind](part.count)}: wrong in ` +
        `${countsText(part, `${part.pairs} requests`)}; evidence ${capitalText(part.evidence)}`
    )
    .join('; ') + changedCoverage(figures)

type RouteCode =
  | 'stage-entered'
  | 'border-widened'
  | 'border-narrowed'
  | 'withheld'
  | 'rolled-back'
  | 'rated-worse'
  | 'loss-risen'
  | 'questions-changed'
  | 'stage-too-young'
  | 'part-of-day-missing'

export const ROUTE_SAYINGS: Sayings<RouteCode> = {
  'stage-entered': (found) => ({
    says: `it disagrees with the upstream in ${lossText(found)}; evidence ${capitalText(found.evidence)}`,
  }),
  'border-widened': (figures) => ({ says: border(figures, ['', '']) }),
  'border-narrowed': (figures) => ({
    says: border(figures, ['only ', ', since the others got worse']),
  }),
  withheld: (figures) => ({ says: withheldText(figures) }),
  'rolled-back': (found) => ({
    says:
      `rolled back: it disagrees with the upstream in ${lossText(found)}; the limit is ${percent(found.margin)}; ` +
      `evidence ${capitalText(found.evidence)}`,
    helps: 'it cannot go live again: a new internalization needs a proof of its own',
  }),
  'rated-worse': (figures) => ({
    says:
      `rolled back: users rate it worse: ${badText(figures)}; the difference is ${differenceText(figures)}; ` +
      `the limit is ${points(figures.margin)}; evidence ${capitalText(figures.evidence)}`,
    helps: 'it cannot go live again: a new internalization needs a proof of its own',
  }),
  'loss-risen': (found) => ({
    says:
      `its traffic has changed: it disagrees with the upstream in ${lossText(found)}; the proof showed at most ` +
      `${percent(found.proven)}; evidence ${capitalText(found.evidence)}`,
  }),
  'questions-changed': ({ indicator, seen, requests, share, bound, evidence }) => ({
    says:
      `its questions have changed: ${percent(seen / requests)} of ${requests} audited requests ` +
      `${INDICATOR_TEXTS[indicator]}; the proof showed ${percent(share)}, at most ` +
      `${percent(bound)}; evidence ${capitalText(evidence)}`,
  }),
  'stage-too-young': ({ until }) => ({ says: `waits until ${minuteText(until)} UTC` }),
  'part-of-day-missing': ({ part, pairs, needed }) => ({
    says: `${pairs === 0 ? 'no pair' : `${pairs} of ${needed} pairs`} yet between ${partText(part)}`,
  }),
}
