/**
 * Makes a labelled task of public data that anyone can get: the packages of a Debian archive, each to
 * be filed into its section by its name and summary. The labels are those that maintainers chose.
 *
 *   npm run bench:make-task -- --packages <file> --out <folder> [--rows 6000] [--test-rows 1000]
 *
 * `Packages` is the archive's index (`apt-cache dumpavail`, or dists/<release>/main/binary-amd64 of
 * a mirror). The folder gets the format that `bench:task` reads; the same index gives the same rows.
 */
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { groupBy } from '../src/core/group-by.ts'
import type { TaskPrefix, TaskRow } from './harness/data.ts'
import { optional, readOptions } from './harness/options.ts'

const PREFIX = join(import.meta.dirname, 'tasks/debian-sections/prefix.json')
/** Smaller sections are left out: the prompt does not list them. */
const LEAST_PACKAGES = 90
const VALID_ROWS = 500

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

/** Summaries that differ in case and punctuation alone are one: no test row has a twin to learn from. */
const distinct = (packages: Package[]): Package[] => {
  const normal = ({ summary }: Package): string =>
    summary
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}]+/gu, ' ')
      .trim()
  return [...groupBy(packages, normal).values()].map((twins) => twins[0]!)
}

/** An order that depends on the name alone. */
const shuffled = (packages: Package[]): Package[] => {
  const digest = ({ name }: Package): string => createHash('sha256').update(name).digest('hex')
  return packages
    .map((item) => ({ item, key: digest(item) }))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ item }) => item)
}

const rowOf = ({ name, section, summary }: Package): TaskRow => ({
  query: `${name}: ${summary}`,
  answer: section,
  meta: { id: `debian-${name}` },
})

const main = (): void => {
  const values = readOptions({
    packages: optional,
    rows: 6000,
    testRows: 1000,
  })
  if (!values.packages || !values.out) throw new Error('--packages <file> and --out <folder>')
  const prefix = JSON.parse(readFileSync(PREFIX, 'utf8')) as TaskPrefix
  const shown = new Set(prefix.fewshot?.ids)
  const bySection = groupBy(distinct(readPackages(values.packages)), ({ section }) => section)
  const rows = shuffled(
    [...bySection.values()].filter((packages) => packages.length >= LEAST_PACKAGES).flat()
  ).map(rowOf)
  const examples = rows.filter(({ meta }) => shown.has(meta.id))
  if (examples.length < shown.size)
    throw new Error('the index lacks a package that the prompt shows')
  const others = rows.filter(({ meta }) => !shown.has(meta.id))
  const testEnd = values.testRows
  const validEnd = testEnd + VALID_ROWS
  const files = {
    'test.jsonl': others.slice(0, testEnd),
    'valid.jsonl': others.slice(testEnd, validEnd),
    // examples last, where no stretch of traffic that is cut from the front has them
    'train.jsonl': [...others.slice(validEnd, validEnd + values.rows), ...examples],
  }
  mkdirSync(values.out, { recursive: true })
  copyFileSync(PREFIX, join(values.out, 'prefix.json'))
  for (const [file, content] of Object.entries(files)) {
    const text = content.map((row) => `${JSON.stringify(row)}\n`).join('')
    writeFileSync(join(values.out, file), text)
    console.log(`${file}: ${content.length} rows`)
  }
}

main()
