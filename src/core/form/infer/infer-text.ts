/** Finds the node of texts that are written from a few skeletons. */
import type { FormNode, TextNode } from '../form.ts'
import { matchParts } from '../match-parts.ts'
import { readTargets } from '../read-targets.ts'
import { choiceOf } from './closed-set.ts'
import { numbered } from './number-fields.ts'
import { sampleOf, type Entry, type InferNode, type RowText, type Search } from './search.ts'
import { sharedFields } from './shared-fields.ts'
import { hasLetters, wordsOf } from '../words.ts'
import { findSkeletons, type Skeleton, type SkeletonOptions } from './skeletons.ts'

const MAX_SKELETONS = 32
/** A skeleton in fewer texts is left out. */
const MIN_TEXTS = 3
const MIN_SHARE = 0.01
/** Skeletons of fewer constant words are single ones, "Order {}": many are rather names that share a word. */
const MIN_WORDS = 3
const MAX_SHORT = 3
/** Texts that skeletons are looked for in, and texts that tell how good they are. */
const SAMPLE = 400
const TRIED = 100
/** Skeletons that have fewer of the texts are not looked at further. */
const MIN_COVERED = 0.5
/** Skeletons that explain this share are good enough. */
const GOOD_SHARE = 0.97

const ATTEMPTS: SkeletonOptions[] = [
  { similarity: 0.7, isWide: true },
  { similarity: 0.7, isWide: false },
  { similarity: 0.45, isWide: true },
  { similarity: 0.45, isWide: false },
]

/** A hole of a skeleton, with what the texts have there. */
interface Hole {
  entries: Entry[]
}

interface Matched {
  skeleton: Skeleton
  /** the skeleton with its holes */
  parts: (string | Hole)[]
  /** of texts that have it */
  count: number
}

/** Each text with the first skeleton that it has. */
const matchTexts = (texts: readonly RowText[], skeletons: readonly Skeleton[]): Matched[] => {
  const matched = skeletons.map((skeleton): Matched => ({
    skeleton,
    parts: skeleton.map((part) => part ?? { entries: [] }),
    count: 0,
  }))
  for (const { row, text } of texts) {
    for (const one of matched) {
      const holes = matchParts(one.parts, text)
      if (holes === null) continue
      one.count++
      for (const { hole, text: value } of holes)
        hole.entries.push({ row, value: { kind: 'string', text: value } })
      break
    }
  }
  return matched
}

const frequent = (matched: readonly Matched[], least: number): Skeleton[] => {
  const kept = matched.filter(({ count }) => count >= least)
  const largest = [...kept].sort((one, other) => other.count - one.count)
  const first = new Set(largest.slice(0, MAX_SKELETONS))
  return kept.filter((one) => first.has(one)).map(({ skeleton }) => skeleton)
}

const textNode = ({ parts }: Matched, inferHole: InferNode): FormNode => {
  if (parts.every((part) => typeof part === 'string'))
    return { kind: 'constant', json: JSON.stringify(parts.join('')) }
  const inferred = parts.map((part): TextNode['parts'][number] =>
    typeof part === 'string' ? part : inferHole(part.entries)
  )
  return { kind: 'text', parts: inferred }
}

const constantWords = (skeleton: Skeleton): number =>
  skeleton
    .flatMap((part) => (part === null ? [] : wordsOf(part)))
    .filter(({ text }) => hasLetters(text)).length

const nodeOf = (
  texts: readonly RowText[],
  skeletons: readonly Skeleton[],
  inferHole: InferNode
): FormNode | null => {
  const least = Math.max(Math.min(MIN_TEXTS, texts.length), MIN_SHARE * texts.length)
  const kept = frequent(matchTexts(texts, skeletons), least)
  // a text of a skeleton that is left out may have another one
  const matched = matchTexts(texts, kept).filter((one) => one.count >= least)
  const covered = matched.reduce((sum, one) => sum + one.count, 0)
  if (covered < MIN_COVERED * texts.length) return null
  const short = matched.filter(({ skeleton }) => constantWords(skeleton) < MIN_WORDS)
  if (matched.length === 0 || short.length > MAX_SHORT) return null
  return choiceOf(matched.map((one) => textNode(one, inferHole)))
}

/** Share of texts that the node explains. */
const shareOf = (node: FormNode, texts: readonly RowText[], search: Search): number => {
  const form = { style: null, root: numbered(node, sharedFields(node, search)) }
  const explained = texts.filter(
    ({ row, text }) => readTargets(form, { sources: search.sources(row), answer: text }) !== null
  )
  return explained.length / texts.length
}

/** The node that explains most of the texts; null where they have no skeletons. */
export const inferText = (
  entries: readonly Entry[],
  search: Search,
  inferHole: InferNode
): FormNode | null => {
  const texts = entries.flatMap(({ row, value }): RowText[] =>
    value?.kind === 'string' ? [{ row, text: value.text }] : []
  )
  const sample = sampleOf(texts, SAMPLE).map(({ text }) => text)
  const tried = search.sample(texts, TRIED)
  const seen = new Set<string>()
  let best: { node: FormNode; share: number } | null = null
  for (const options of ATTEMPTS) {
    const skeletons = findSkeletons(sample, options)
    const key = JSON.stringify(skeletons)
    if (skeletons.length === 0 || seen.has(key)) continue
    seen.add(key)
    const node = nodeOf(texts, skeletons, inferHole)
    if (node === null) continue
    const share = shareOf(node, tried, search)
    if (best === null || share > best.share) best = { node, share }
    if (share >= GOOD_SHARE) break
  }
  return best?.node ?? null
}
