/** Versions of the same prompt: templates that share most of their lines. Pure. */
import type { Template } from '../../../core/template/template.ts'

export interface SimilarVersion {
  template: Template
  /** lines and sentences that both have, over those of the longer one, 0 to 1 */
  shared: number
}

const MIN_SHARED = 0.5
const MAX_SIMILAR = 10
/** of a template; bounds the time of a view */
const MAX_CHARS = 100_000

/** A prompt may be one long line, so sentences count like lines. */
const PIECE_END = /\n|(?<=[.!?])\s+/

const piecesOf = ({ messages }: Template): Set<string> => {
  const anchors = messages.flatMap(({ segments }) =>
    segments.flatMap((segment) => (segment.kind === 'anchor' ? [segment.text] : []))
  )
  const pieces = anchors.join('\n').slice(0, MAX_CHARS).split(PIECE_END)
  return new Set(pieces.map((piece) => piece.trim()).filter((piece) => piece !== ''))
}

/** Of the same tenant and model, the most similar first. */
export const similarVersions = (
  template: Template,
  templates: readonly Template[]
): SimilarVersion[] => {
  const own = piecesOf(template)
  const sharedWith = (other: Template): number => {
    const pieces = piecesOf(other)
    const both = [...own].filter((piece) => pieces.has(piece)).length
    return both / Math.max(1, own.size, pieces.size)
  }
  return templates
    .filter(
      ({ version, tenant, model }) =>
        version !== template.version && tenant === template.tenant && model === template.model
    )
    .map((other) => ({ template: other, shared: sharedWith(other) }))
    .filter(({ shared }) => shared >= MIN_SHARED)
    .sort((a, b) => b.shared - a.shared)
    .slice(0, MAX_SIMILAR)
}
