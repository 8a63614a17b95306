/** Every page: its links and anchors resolve, and it is short enough to be read. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FOLDERS = ['docs', 'bench', 'models', 'adapters', 'demo', 'test', 'src', 'migrations']
const SKIPPED = new Set(['node_modules', '.venv', 'packages', 'dist', 'data', 'fixtures'])
const MAX_WORDS = 2600
/** words; the generated command line is exempt, and a log is a page for each entry */
const LIMITS: Record<string, number> = {
  'bench/RESULTS.md': 3500,
  'docs/cli.md': Infinity,
  'docs/decisions.md': 12_000,
  'docs/experiments.md': 8000,
}
const MAX_README_LINES = 120

const markdownIn = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : markdownIn(path)
    return entry.name.endsWith('.md') ? [path] : []
  })

const pages = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', ...FOLDERS.flatMap(markdownIn)]

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

const withoutCode = (text: string): string =>
  text.replaceAll(/^```.*?^```/gms, '').replaceAll(/`[^`\n]*`/g, '')

/** GitHub's anchor of a heading. */
const slugOf = (heading: string): string =>
  heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-')

const anchorsOf = (path: string): Set<string> => {
  const anchors = new Set<string>()
  for (const [, heading] of read(path)
    .replaceAll(/^```.*?^```/gms, '')
    .matchAll(/^#{1,6} (.+)$/gm)) {
    const slug = slugOf(heading!)
    let name = slug
    for (let count = 1; anchors.has(name); count++) name = `${slug}-${count}`
    anchors.add(name)
  }
  return anchors
}

const linksOf = (path: string): string[] =>
  [...withoutCode(read(path)).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^[a-z]+:/.test(target))

const isBroken = (page: string, link: string): boolean => {
  const [target = '', anchor] = link.split('#')
  const path = target === '' ? page : relative(ROOT, join(ROOT, dirname(page), target))
  if (!existsSync(join(ROOT, path))) return true
  if (anchor === undefined || statSync(join(ROOT, path)).isDirectory()) return false
  return !anchorsOf(path).has(anchor)
}

describe.each(pages)('%s', (page) => {
  it('has links and anchors that resolve', () => {
    expect(linksOf(page).filter((link) => isBroken(page, link))).toEqual([])
  })

  it('names no file outside of the repository', () => {
    expect(read(page)).not.toMatch(/\b(?:method|peers|direction|style)\.md\b|\bmethod §|\bpeers \d/)
  })
})

describe('length', () => {
  const limited = pages.filter((page) => page.startsWith('docs') || page in LIMITS)

  it.each(limited)('of %s', (page) => {
    const words = read(page).split(/\s+/).filter(Boolean).length
    expect(words).toBeLessThanOrEqual(LIMITS[page] ?? MAX_WORDS)
  })

  it('of README.md, in lines', () => {
    expect(read('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(MAX_README_LINES)
  })
})

const numbersIn = (text: string): string[] => text.match(/\d[\d,.]*\d|\d/g) ?? []

describe('README.md', () => {
  it('has only figures that bench/RESULTS.md has', () => {
    const section = /^## Figures\n([^]*?)^## /m.exec(read('README.md'))![1]!
    const known = new Set(numbersIn(read('bench/RESULTS.md')))
    const rows = section
      .split('\n')
      .filter((line) => line.startsWith('| ') && !line.includes('---'))
    expect(rows.length).toBeGreaterThan(3)
    expect(rows.flatMap(numbersIn).filter((number) => !known.has(number))).toEqual([])
  })
})
