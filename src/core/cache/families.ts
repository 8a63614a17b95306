/**
 * Puts the requests of one prompt together. Tools and models are part of a template's identity, so a prompt with
 * changing tools has several templates, or none: families are found by their text.
 */
import type { Stretch, Stretches } from './stretches.ts'
import type { Piece } from './piece.ts'

/** The requests of one template, or those of none. */
export interface Sampled {
  version: string | null
  /** constant text of the template; empty without one */
  anchors: readonly Piece[]
  stretches: Stretches<KeptRequest>
}

/** Of the constant text, in bytes: siblings differ in a line that one sample had as constant. */
const SIBLING_SHARE = 0.9
/** Of the recurring text: retrieved examples and slots differ. */
const ALIKE_SHARE = 0.5
const LEAST_LINE_BYTES = 16
const LEAST_RECURRENCES = 5
const MOST_FAMILIES = 128
/** A stretch has so much context at most; above, there are enough requests to fill the cache again. */
const CONTEXT_SHARE = 0.25

/** Bytes by hash. */
type Lines = ReadonlyMap<number, number>

const linesOf = (pieces: readonly Piece[], isWanted: (piece: Piece) => boolean): Lines =>
  new Map(
    pieces
      .filter((piece) => piece.bytes >= LEAST_LINE_BYTES && isWanted(piece))
      .map(({ hash, bytes }) => [hash, bytes])
  )

const bytesOf = (lines: Lines): number => {
  let sum = 0
  for (const bytes of lines.values()) sum += bytes
  return sum
}

const sharedBytes = (one: Lines, other: Lines): number => {
  let sum = 0
  for (const [hash, bytes] of one) if (other.has(hash)) sum += bytes
  return sum
}

/** Share of the larger one. */
const likeness = (one: Lines, other: Lines): number => {
  const most = Math.max(bytesOf(one), bytesOf(other))
  return most === 0 ? 0 : sharedBytes(one, other) / most
}

interface Draft {
  /** constant text of the first template; null for requests without one */
  anchors: Lines | null
  anchorBytes: number
  /** recurring text of the first request without a template */
  recurring: Lines
  samples: Sampled[]
  others: KeptRequest[]
}

/** Of drafts that share a line with a template: a thousand templates that share half would take minutes. */
const MOST_COMPARED = 32

/** Drafts by the hash of a line, to find those that a template resembles without comparing it with all. */
class DraftIndex {
  readonly drafts: Draft[] = []
  private readonly byLine = new Map<number, Draft[]>()

  add(draft: Draft, lines: Lines): void {
    this.drafts.push(draft)
    for (const hash of lines.keys()) {
      const known = this.byLine.get(hash)
      if (known === undefined) this.byLine.set(hash, [draft])
      else known.push(draft)
    }
  }

  /**
   * Siblings have nearly all lines in common, so they have one of the rarest lines in common that are more of the
   * text than siblings may lack.
   */
  siblingOf(lines: Lines): Draft | undefined {
    const owners = [...lines].map(([hash, bytes]) => ({ bytes, own: this.byLine.get(hash) ?? [] }))
    const rarest = owners.toSorted((a, b) => a.own.length - b.own.length)
    let left = (1 - SIBLING_SHARE) * bytesOf(lines)
    const candidates = new Set<Draft>()
    for (const { bytes, own } of rarest) {
      if (left < 0 || candidates.size > MOST_COMPARED) break
      for (const draft of own.slice(0, MOST_COMPARED)) candidates.add(draft)
      left -= bytes
    }
    return [...candidates].find(
      ({ anchors }) => anchors !== null && likeness(anchors, lines) >= SIBLING_SHARE
    )
  }
}

const draftsOf = (samples: readonly Sampled[]): Draft[] => {
  const index = new DraftIndex()
  for (const sample of samples) {
    const anchors = linesOf(sample.anchors, () => true)
    const known = index.siblingOf(anchors)
    if (known !== undefined) known.samples.push(sample)
    else {
      const anchorBytes = bytesOf(anchors)
      const draft = { anchors, anchorBytes, recurring: anchors, samples: [sample], others: [] }
      index.add(draft, anchors)
    }
  }
  return index.drafts
}

/** Hashes of the pieces that enough requests have. */
const recurringIn = (requests: readonly KeptRequest[]): ReadonlySet<number> => {
  const counts = new Map<number, number>()
  for (const { pieces } of requests)
    for (const hash of new Set(pieces.map((piece) => piece.hash)))
      counts.set(hash, (counts.get(hash) ?? 0) + 1)
  return new Set([...counts].flatMap(([hash, count]) => (count >= LEAST_RECURRENCES ? [hash] : [])))
}

/** Adds requests without a template to the family of a template that they resemble, or of each other. */
const fileOthers = (drafts: Draft[], others: readonly KeptRequest[]): void => {
  const hashes = recurringIn(others)
  const recurs = ({ part, hash }: Piece): boolean => part === 'line' && hashes.has(hash)
  for (const request of others) {
    const all = linesOf(request.pieces, ({ part }) => part === 'line')
    const recurring = linesOf(request.pieces, recurs)
    if (recurring.size === 0) continue
    const known = drafts.find(({ anchors, anchorBytes, recurring: own }) =>
      anchors !== null
        ? sharedBytes(anchors, all) >= SIBLING_SHARE * anchorBytes
        : likeness(own, recurring) >= ALIKE_SHARE
    )
    if (known !== undefined) known.others.push(request)
    else if (drafts.length < MOST_FAMILIES)
      drafts.push({ anchors: null, anchorBytes: 0, recurring, samples: [], others: [request] })
  }
}

const earliestIn = ({ items }: Stretch<KeptRequest>): number =>
  items.reduce((earliest, { at }) => Math.min(earliest, at), Infinity)

const latestIn = ({ items }: Stretch<KeptRequest>): number =>
  items.reduce((latest, { at }) => Math.max(latest, at), -Infinity)

/** Marks the start of each stretch whose hour before is not in the sample. */
const withContext = (
  stretches: readonly Stretch<KeptRequest>[],
  isWhole: boolean,
  lifeOf: (model: string) => number
): FamilyRequest[] => {
  let before: Stretch<KeptRequest> | null = null
  return stretches.flatMap((stretch) => {
    const isJoined = isWhole || (before?.hour === stretch.hour - 1 && !before.isCut)
    before = stretch
    const items = stretch.items.toSorted((a, b) => a.at - b.at)
    const most = isJoined ? 0 : CONTEXT_SHARE * items.length
    const from = earliestIn(stretch)
    return items.map((item, at) => ({
      ...item,
      isContext: at < most && item.at - from < lifeOf(item.model),
    }))
  })
}

const NOTHING: readonly Stretch<KeptRequest>[] = []

/** Requests of the hours that all samples have, up to where the first of them was cut. */
const joinedStretches = (
  { samples, others }: Draft,
  ofOthers: Stretches<KeptRequest> | undefined
): { stretches: Stretch<KeptRequest>[]; isWhole: boolean } => {
  const own = samples.map(({ stretches }) => stretches)
  const used = others.length > 0 && ofOthers !== undefined ? [...own, ofOthers] : own
  const rank = Math.min(...used.map((stretches) => stretches.rank))
  const wanted = new Set(others)
  const parts = used.flatMap((stretches) => {
    const all = stretches === ofOthers ? ofOthers.all(rank) : stretches.all(rank)
    return all.map((stretch) => ({ stretch, isOther: stretches === ofOthers }))
  })
  const hours = [...new Set(parts.map(({ stretch }) => stretch.hour))].toSorted((a, b) => a - b)
  let isWhole = rank === Infinity
  const stretches = hours.map((hour) => {
    const ofHour = parts.filter(({ stretch }) => stretch.hour === hour)
    const end = Math.min(
      ...ofHour.map(({ stretch }) => (stretch.isCut ? latestIn(stretch) : Infinity))
    )
    if (end !== Infinity) isWhole = false
    const items = ofHour.flatMap(({ stretch, isOther }) =>
      isOther ? stretch.items.filter((item) => wanted.has(item)) : stretch.items
    )
    return { hour, items: items.filter(({ at }) => at <= end), isCut: end !== Infinity }
  })
  return { stretches: stretches.filter(({ items }) => items.length > 0), isWhole }
}

/** @param lifeOf milliseconds that the cache of a model keeps a prefix */
export const familiesOf = (
  samples: readonly Sampled[],
  lifeOf: (model: string) => number
): Family[] => {
  const drafts = draftsOf(samples.filter(({ version }) => version !== null))
  const without = samples.find(({ version }) => version === null)?.stretches
  const all = without?.all() ?? NOTHING
  fileOthers(
    drafts,
    all.flatMap(({ items }) => items)
  )
  return drafts.map((draft) => {
    const { stretches, isWhole } = joinedStretches(draft, without)
    return { requests: withContext(stretches, isWhole, lifeOf) }
  })
}

export interface KeptRequest {
  /** milliseconds since the epoch, or the place in the log where no time is known */
  at: number
  model: string
  /** model and credential: what a cache of the provider belongs to */
  place: string
  /** version of its template; null without one */
  version: string | null
  pieces: readonly Piece[]
  /** tokens of the prompt, counted by the provider or by a tokenizer; null where neither did */
  input: number | null
  /** of them, those that the provider read from its cache; null where it does not report it */
  cached: number | null
}

/** Requests of one prompt: of templates with the same text, whatever their model and tools. */
export interface Family {
  /** in the order of time */
  requests: readonly FamilyRequest[]
}

export interface FamilyRequest extends KeptRequest {
  /** at the beginning of a stretch: its predecessors are not in the sample, so it is not judged */
  isContext: boolean
}
