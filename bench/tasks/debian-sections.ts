/**
 * The packages of a Debian archive, each to be filed into its section by its name and summary. The
 * labels are those that maintainers chose.
 */
import { readFileSync } from 'node:fs'
import { groupBy } from '../../src/core/group-by.ts'
import type { TaskRow } from '../harness/data.ts'
import { distinct, shuffled, type SourceRows } from './source-rows.ts'

/** Smaller sections are left out: the prompt does not list them. */
const LEAST_PACKAGES = 90

interface Package {
  name: string
  section: string
  summary: string
}

/** One field of a paragraph of the index (deb822); continued lines are not needed here. */
const field = (paragraph: string, name: string): string =>
  new RegExp(`^${name}: (.*)$`, 'm').exec(paragraph)?.[1]?.trim() ?? ''

const readPackages = (path: string): Package[] =>
  readFileSync(path, 'utf8')
    .split('\n\n')
    .map((paragraph) => ({
      name: field(paragraph, 'Package'),
      section: field(paragraph, 'Section'),
      summary: field(paragraph, 'Description'),
    }))
    .filter(({ section, summary }) => section !== '' && summary !== '')

const rowOf = ({ name, section, summary }: Package): TaskRow => ({
  query: `${name}: ${summary}`,
  answer: section,
  meta: { id: `debian-${name}` },
})

/**
 * @param path the archive's index `Packages`: `apt-cache dumpavail`, or
 * dists/<release>/main/binary-amd64 of a mirror
 */
export const debianSections = (path: string): SourceRows => {
  const packages = readPackages(path)
  const unlike = distinct(packages, ({ summary }) => summary)
  const listed = [...groupBy(unlike, ({ section }) => section).values()]
    .filter((section) => section.length >= LEAST_PACKAGES)
    .flat()
  return {
    rows: shuffled(listed, ({ name }) => name).map(rowOf),
    testRows: null,
    leftOut: {
      'have a twin': packages.length - unlike.length,
      'are of a small section': unlike.length - listed.length,
    },
  }
}
