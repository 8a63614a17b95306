/**
 * Distinguishes versions of a prompt from values of a slot: splits the samples of a cluster until each part
 * is one version of one application. Applications that share an opening, edited prompts and whitespace
 * variants become separate parts; parts with too few samples are left out.
 */
import { countsOf } from '../../counts.ts'
import { groupBy } from '../../group-by.ts'
import { zip } from '../../lists.ts'
import { pairStarts } from '../../template/example-pairs.ts'
import { alignMessage, lineKeys, lineOfKey, withoutOutliers, type LineText } from './align.ts'
import { charsApart, trimSoft } from './boundary.ts'
import type { Sample } from '../sampling/clusters.ts'
import { maskOf, maskText, maskValues, withoutTyped } from './mask.ts'

/** A larger group of lines (share of a request's text) cannot be the value of a slot. */
const BLOCK_SHARE = 0.3
const LONG_VALUE_CHARS = 40
const MAX_SHORT_VERSIONS = 4
/** more texts at one place are sections, of the tenant's customers for example, and not edited prompts */
const MAX_VERSIONS = 8
/** Whole sentences of so many words are text, as in an A/B test, where the words of a label are a value. */
const SENTENCE_WORDS = 4
const STARTS_SENTENCE = /(?:^|\n|[.!?])\s*$/u
/** of the text before a value; the pattern takes quadratic time on long runs of line breaks */
const BORDER_CHARS = 200
const ENDS_SENTENCE = /^(?:$|\s*[\n.!?])/u
const HEAVY_SHARE = 0.1
const HEAVY_COVERAGE = 0.6
const DOMINANT_SHARE = 0.95
/** probability below which a slot's value does not appear so late by chance */
const CHANGE_POINT_PROBABILITY = 1e-4
const POOL_OVERLAPS = 3
const OVERLAP_SHARE = 0.05
/** of samples with a question that other samples have at another place */
const WANDERING_SHARE = 0.5

interface LineGroup {
  lines: number[]
  /** one of them, which stands for all */
  first: number
  chars: number
  support: number
}

/** Lines that occur in exactly the same samples. */
const groupLines = (sets: Set<number>[], text: LineText): LineGroup[] => {
  const found = sets.flatMap((set, sample) => Array.from(set, (line) => ({ line, sample })))
  const samplesOf = [...groupBy(found, ({ line }) => line)].map(([line, places]) => ({
    line,
    samples: places.map(({ sample }) => sample).join(),
    support: places.length,
  }))
  return [...groupBy(samplesOf, ({ samples }) => samples).values()].map((group) => ({
    lines: group.map(({ line }) => line),
    first: group[0].line,
    chars: group.reduce((sum, { line }) => sum + text(lineOfKey(line)).length, 0),
    support: group[0].support,
  }))
}

const medianChars = (samples: Sample[], text: LineText): number => {
  const sizes = samples.map(({ messages }) =>
    messages.flatMap((lines) => [...lines]).reduce((chars, line) => chars + text(line).length, 0)
  )
  return sizes.sort((left, right) => left - right)[sizes.length >> 1] ?? 0
}

/**
 * Whether the group is of a pool of retrieved blocks: those overlap freely with many other groups, where
 * versions exclude or contain each other.
 */
const isPooled = (group: LineGroup, groups: LineGroup[], sets: Set<number>[]): boolean => {
  const least = sets.length * OVERLAP_SHARE
  const holds = (set: Set<number>, { first }: LineGroup): boolean => set.has(first)
  const overlapping = groups.filter((other) => {
    if (other === group || other.chars < LONG_VALUE_CHARS || other.support < 2 * least) return false
    const both = sets.filter((set) => holds(set, group) && holds(set, other)).length
    const neither = sets.filter((set) => !holds(set, group) && !holds(set, other)).length
    const cells = [both, group.support - both, other.support - both, neither]
    return cells.every((count) => count >= least)
  })
  return overlapping.length >= POOL_OVERLAPS
}

/**
 * Characters of a group that no other group with enough samples has. A paragraph that contains a weekday
 * is one long line for each day; the lines differ in few characters, so they hold a slot and are not
 * blocks. Typed values are not counted: two dates may be a whole paragraph apart.
 */
const ownChars = (group: LineGroup, groups: LineGroup[], least: number, text: LineText): number => {
  const others = groups
    .filter((other) => other !== group && other.support >= least)
    .flatMap(({ lines }) => lines.map((line) => maskText(text(lineOfKey(line)))))
  return group.lines
    .map((key) => maskText(text(lineOfKey(key))))
    .reduce(
      (sum, line) =>
        sum + others.reduce((own, other) => Math.min(own, charsApart(line, other)), line.length),
      0
    )
}

/** The values by time. */
const inTime = (values: string[], times: number[]): string[] =>
  zip(values, times)
    .sort(([, one], [, other]) => one - other)
    .map(([value]) => value)

/**
 * Whether more texts come back at one place than a prompt has versions, and by turns: versions follow each
 * other in time.
 */
const areSections = (values: string[], times: number[]): boolean => {
  const counts = countsOf(values)
  const recurring = [...counts.values()].filter((count) => count > 1).length
  if (recurring <= MAX_VERSIONS) return false
  const order = inTime(values, times)
  const changes = order.filter((value, index) => index > 0 && value !== order[index - 1])
  return changes.length >= 2 * recurring
}

/** The values at each place that has sections. */
const sectionsOf = (samples: Sample[], roles: readonly string[], text: LineText): string[][] => {
  const times = samples.map(({ at }) => at)
  return roles.flatMap((_, message) =>
    alignMessage(samples, message, text).flatMap((piece) =>
      'values' in piece && areSections(piece.values, times) ? [piece.values] : []
    )
  )
}

/** Splits off a large block of lines that only some samples have. */
const splitByBlock = (
  samples: Sample[],
  roles: readonly string[],
  least: number,
  text: LineText
): Sample[][] | null => {
  const sets = samples.map(lineKeys)
  const groups = groupLines(sets, text)
  const needed = medianChars(samples, text) * BLOCK_SHARE
  const blocks = groups
    .filter(({ chars, support }) => chars >= needed && support >= least && support < samples.length)
    .sort((left, right) => right.chars * right.support - left.chars * left.support)
  const sections = blocks.length === 0 ? [] : sectionsOf(samples, roles, text)
  const setsBySection = sections.map((values) => zip(sets, values))
  const isInSection = ({ first }: LineGroup): boolean => {
    const line = text(lineOfKey(first))
    return setsBySection.some((pairs) =>
      pairs.every(([set, value]) => !set.has(first) || value.includes(line))
    )
  }
  const block = blocks.find(
    (group) =>
      !isPooled(group, groups, sets) &&
      ownChars(group, groups, least, text) >= needed &&
      !isInSection(group)
  )
  if (!block) return null
  const holds = sets.map((set) => set.has(block.first))
  return [samples.filter((_, index) => holds[index]), samples.filter((_, index) => !holds[index])]
}

/**
 * Probability that `count` exchangeable occurrences among `total` all come after the first
 * `before`: C(total − before, count) / C(total, count).
 */
const lateProbability = (total: number, before: number, count: number): number => {
  let probability = 1
  for (let index = 0; index < count; index++) {
    probability *= Math.max(0, total - before - index) / (total - index)
  }
  return probability
}

/** True when a value first or last occurs at a time that chance does not explain. */
const changesInTime = (values: string[], times: number[]): boolean => {
  const sequence = inTime(values, times)
  return [sequence, sequence.toReversed()].some((ordered) =>
    [...new Set(ordered)].some(
      (value) =>
        lateProbability(
          ordered.length,
          ordered.indexOf(value),
          ordered.filter((other) => other === value).length
        ) < CHANGE_POINT_PROBABILITY
    )
  )
}

const stripSpace = (value: string): string => value.replace(/\s+/gu, '')

/** Whether a few long texts make up most of the samples: applications with a common frame. */
const areHeavyTexts = (counts: Map<string, number>, cores: string[], total: number): boolean => {
  const heavy = zip([...counts.values()], cores).filter(
    ([count, core]) => count >= total * HEAVY_SHARE && core.length >= LONG_VALUE_CHARS
  )
  return heavy.reduce((sum, [count]) => sum + count, 0) >= total * HEAVY_COVERAGE
}

/** Whether the values at one place are versions of the text rather than values of a slot. */
const areVersions = (values: string[], times: number[]): boolean => {
  const counts = countsOf(values)
  const distinct = [...counts.keys()]
  if (distinct.length > values.length / 2) return false
  if (new Set(distinct.map(stripSpace)).size === 1) return true
  if (areSections(values, times)) return false
  const masked = maskValues(distinct)
  const { prefix, suffix, cores: trimmed } = trimSoft(masked.values)
  const cores = trimmed.map(masked.unmask)
  // each date begins at a point in time, but typed values are never versions
  if (new Set(trimmed.map(withoutTyped)).size === 1) return false
  if (cores.every((core) => maskOf(core) !== null)) return false
  if (Math.max(...counts.values()) >= values.length * DOMINANT_SHARE) return true
  if (areHeavyTexts(counts, cores, values.length)) return true
  if (distinct.length > MAX_SHORT_VERSIONS) return false
  const isSentence = STARTS_SENTENCE.test(prefix.slice(-BORDER_CHARS)) && ENDS_SENTENCE.test(suffix)
  const isText = (core: string): boolean =>
    core.length >= LONG_VALUE_CHARS ||
    (isSentence && core.trim().split(/\s+/u).length >= SENTENCE_WORDS)
  return cores.some(isText) || changesInTime(values, times)
}

/**
 * One part for each value. Parts of rare values are dropped later; a version that is large enough has a
 * cluster of its own.
 */
const partsByValue = (samples: Sample[], values: string[]): Sample[][] =>
  [...countsOf(values).keys()].map((value) => samples.filter((_, index) => values[index] === value))

/**
 * Messages of few-shot pairs from a pool: a question that one sample has at one place, others have at
 * another one. Versions of constant pairs keep their places.
 */
const wanderingMessages = (samples: Sample[], roles: readonly string[]): ReadonlySet<number> => {
  const starts = new Set(pairStarts(roles))
  const questions = samples.flatMap(({ messages }) =>
    messages.flatMap((lines, at) => (starts.has(at) ? [{ at, question: lines.join() }] : []))
  )
  const moved = [...groupBy(questions, ({ question }) => question).values()].filter((places) =>
    places.some(({ at }) => at !== places[0].at)
  )
  const wander = [...countsOf(moved.flat().map(({ at }) => at))].filter(
    ([, count]) => count >= samples.length * WANDERING_SHARE
  )
  return new Set(wander.flatMap(([at]) => [at, at + 1]))
}

const splitByValue = (
  samples: Sample[],
  roles: readonly string[],
  text: LineText
): Sample[][] | null => {
  const times = samples.map((sample) => sample.at)
  const wandering = wanderingMessages(samples, roles)
  for (let message = 0; message < roles.length; message++) {
    if (wandering.has(message)) continue
    for (const piece of alignMessage(samples, message, text)) {
      if (!('text' in piece) && areVersions(piece.values, times)) {
        return partsByValue(samples, piece.values)
      }
    }
  }
  return null
}

/**
 * @param least samples that a part must have
 * @returns parts of one version each
 */
export const splitVersions = (
  samples: Sample[],
  roles: readonly string[],
  least: number,
  text: LineText
): Sample[][] => {
  if (samples.length < least) return []
  const blocks = splitByBlock(samples, roles, least, text)
  if (blocks) return blocks.flatMap((part) => splitVersions(part, roles, least, text))
  const kept = withoutOutliers(samples)
  const parts = splitByValue(kept, roles, text)
  return parts ? parts.flatMap((part) => splitVersions(part, roles, least, text)) : [kept]
}
