/**
 * When a detector finds each version of a labelled stream, and what share of later requests its templates
 * recognize. A version is found by a template that recognizes nine in ten of its later requests.
 */
import type { Detector } from '../../src/core/detect/detect.ts'
import { groupBy } from '../../src/core/group-by.ts'
import { compileMatcher } from '../../src/core/match/match.ts'
import type { Template } from '../../src/core/template/template.ts'
import { versionName } from '../../test/kit/traffic/score.ts'
import type { PromptRow, PromptStream } from './prompts/stream.ts'

const FOUND_SHARE = 0.9
export interface FoundVersion {
  name: string
  /** its requests when it was found; null when it was not */
  after: number | null
  /** share of its later requests that any template recognizes */
  matched: number
}

export interface FoundReport {
  versions: FoundVersion[]
  templates: number
  /** templates that are the best one of some version */
  right: number
  /** templates that recognize requests of two versions, or of none */
  mixed: string[]
}

const recognized = (templates: Template[], rows: PromptRow[]): PromptRow[] => {
  const matcher = compileMatcher(templates)
  return rows.filter(({ key, messages }) => matcher.match(key, messages) !== null)
}

/** The template that recognizes most of the rows, if nine in ten. */
const ownerOf = (templates: Template[], rows: PromptRow[]): Template | null => {
  const counts = templates.map((template) => recognized([template], rows).length)
  const most = Math.max(0, ...counts)
  return most >= rows.length * FOUND_SHARE ? templates[counts.indexOf(most)]! : null
}

const rowsByVersion = (rows: PromptRow[]): Map<string, PromptRow[]> =>
  groupBy(
    rows.filter((row) => versionName(row) !== null),
    (row) => versionName(row)!
  )

const isMixed = (template: Template, rows: PromptRow[]): boolean =>
  new Set(recognized([template], rows).map(versionName)).size > 1

/**
 * @param lookEvery requests of the stream between two looks at the templates
 * @param progress called with each look
 */
export const findVersions = (
  detector: Detector,
  { learning, later }: PromptStream,
  lookEvery: number,
  progress: (requests: number, found: number) => void
): FoundReport => {
  const laterOf = rowsByVersion(later)
  const seen = new Map<string, number>()
  const after = new Map<string, number>()
  const look = (requests: number): void => {
    const templates = detector.candidates()
    for (const [name, rows] of laterOf)
      if (!after.has(name) && ownerOf(templates, rows)) after.set(name, seen.get(name) ?? 0)
    progress(requests, after.size)
  }
  for (const [index, row] of learning.entries()) {
    detector.observe(row)
    const name = versionName(row)
    if (name !== null) seen.set(name, (seen.get(name) ?? 0) + 1)
    if ((index + 1) % lookEvery === 0) look(index + 1)
  }
  look(learning.length)
  const templates = detector.candidates()
  const owners = new Set([...laterOf.values()].map((rows) => ownerOf(templates, rows)))
  return {
    versions: [...laterOf].map(([name, rows]) => ({
      name,
      after: after.get(name) ?? null,
      matched: recognized(templates, rows).length / rows.length,
    })),
    templates: templates.length,
    right: templates.filter((template) => owners.has(template)).length,
    mixed: templates
      .filter((template) => isMixed(template, [...learning, ...later]))
      .map(({ version }) => version),
  }
}
