/**
 * When a template that is found again is stored with what has become known since, and whether it matches requests
 * that the stored one did not: for these the log is read again.
 */
import { zip } from '../lists.ts'
import type { Template } from '../template/template.ts'

/**
 * Growth of a template's known examples at which they are stored: of few examples each one, because an unknown
 * one is in many requests.
 */
const GROWTH = 1.03
const FEW = 256

const segmentsOf = ({ messages }: Template) => messages.flatMap(({ segments }) => segments)

/** Known examples with their places. */
const examplesIn = (template: Template): string[] => [
  ...(template.knownPairs ?? []),
  ...segmentsOf(template).flatMap((segment) =>
    segment.kind === 'examples' && segment.pool !== undefined
      ? segment.pool.known.map((digest) => `${segment.name} ${digest}`)
      : []
  ),
]

const shapesIn = (template: Template): string[] =>
  segmentsOf(template).flatMap((segment) =>
    segment.kind === 'slot' ? (segment.shapes ?? []).map((shape) => `${segment.name} ${shape}`) : []
  )

/** What else decides which requests match: the places that are read, how blocks are divided, and the caller. */
const placesText = (template: Template): string =>
  JSON.stringify([
    template.caller,
    segmentsOf(template).map((segment) => {
      if (segment.kind === 'slot') return segment.kept
      return segment.kind === 'examples' ? [segment.pool?.division] : null
    }),
  ])

const isIn = (some: readonly string[], all: readonly string[]): boolean => {
  const held = new Set(all)
  return some.every((each) => held.has(each))
}

/** The template with the examples of the stored one, which has the same places. */
const withExamplesOf = (template: Template, stored: Template): Template => ({
  ...template,
  ...(stored.knownPairs && { knownPairs: stored.knownPairs }),
  messages: zip(template.messages, stored.messages).map(([message, before]) => ({
    ...message,
    segments: zip(message.segments, before.segments).map(([segment, known]) =>
      segment.kind === 'examples' ? known : segment
    ),
  })),
})

/**
 * @param stored of the same version
 * @returns what to store. Examples that are no longer known are removed at once; new ones are added once they
 * are many, because each growth reads the log again
 */
export const grownTemplate = (
  template: Template,
  stored: Template | undefined
): { template: Template; isWider: boolean } => {
  if (stored === undefined) return { template, isWider: true }
  // a person has moved it, which no traffic says
  const { movedFrom, movedBefore } = stored
  const grown = {
    ...template,
    ...(movedFrom && { movedFrom }),
    ...(movedBefore && { movedBefore }),
  }
  if (placesText(stored) !== placesText(template)) return { template: grown, isWider: true }
  const [before, now] = [examplesIn(stored), examplesIn(template)]
  const hasNewShapes = !isIn(shapesIn(template), shapesIn(stored))
  const isFar = now.length >= before.length * (before.length < FEW ? 1 : GROWTH)
  if (isIn(before, now) && !isFar)
    return { template: withExamplesOf(grown, stored), isWider: hasNewShapes }
  return { template: grown, isWider: hasNewShapes || !isIn(now, before) }
}
