/** Chooses at most one span for each field, none overlapping, with the greatest sum of gains. */
import type { AskedField, FieldTags, ScoredSpan } from './field-tags.ts'
import type { Span } from '../spans/row-words.ts'

export interface ChosenSpan {
  field: number
  span: Span
}

/** Branches that are looked at; fields rarely want the same words, and then the first one is the best. */
const MAX_STEPS = 500
/** Loss of a required field without a span: greater than any other. */
const MISSING = -1e6

interface Option extends AskedField {
  spans: ScoredSpan[]
  best: number
}

const isFree = (span: Span, chosen: readonly ChosenSpan[]): boolean =>
  chosen.every(({ span: other }) => other.to <= span.from || other.from >= span.to)

/** Branch and bound, the fields with few spans first, then the most certain ones. */
class Choice {
  best: ChosenSpan[] = []
  private bestGain = -Infinity
  private steps = 0
  private readonly options: Option[]
  /** of each field on, the gain if no spans overlap */
  private readonly bounds: number[]
  private readonly chosen: ChosenSpan[] = []

  constructor(options: Option[]) {
    this.options = options
    this.bounds = [0]
    for (const option of [...options].reverse()) this.bounds.unshift(this.bounds[0]! + option.best)
  }

  search(at: number, gain: number): void {
    if (gain + this.bounds[at]! <= this.bestGain || ++this.steps > MAX_STEPS) return
    const option = this.options[at]
    if (option === undefined) {
      this.best = [...this.chosen]
      this.bestGain = gain
      return
    }
    for (const span of option.spans) {
      if (!isFree(span, this.chosen)) continue
      this.chosen.push({ field: option.field, span })
      this.search(at + 1, gain + span.gain)
      this.chosen.pop()
    }
    this.search(at + 1, gain + (option.isRequired ? MISSING : 0))
  }
}

const FEW_SPANS = 8

const byNeed = (one: Option, other: Option): number =>
  Math.min(one.spans.length, FEW_SPANS) - Math.min(other.spans.length, FEW_SPANS) ||
  other.best - one.best

/**
 * A required field gets none only where others took all of its likely spans; `renderAnswer` then gives null.
 * @param asked fields of one span
 */
export const chooseSpans = (tags: FieldTags, asked: readonly AskedField[]): ChosenSpan[] => {
  const options: Option[] = []
  for (const one of asked) {
    const spans = tags.spansOf(one)
    // no answer is possible, and to look for the spans of 200 such fields would take a second
    if (one.isRequired && spans.length === 0) return []
    options.push({ ...one, spans, best: spans[0]?.gain ?? 0 })
  }
  // a field without spans changes nothing
  const choice = new Choice(options.filter(({ spans }) => spans.length > 0).sort(byNeed))
  choice.search(0, 0)
  return choice.best
}
