import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { helpDocument } from '../src/cli/program.ts'
import { CONFIG_KEYS, parseEnvironment } from '../src/config/environment.ts'
import { SERVER_FAULTS, WORKER_FAULTS } from '../src/fault-log.ts'

const read = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8')

describe('docs/configuration.md', () => {
  const page = read('docs/configuration.md')
  const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| (?:`(.*?)`|(\d+) MiB|[^|]*) \|/gm)].map(
    ([, key, text, mebibytes]) => ({
      key: key!,
      value: mebibytes === undefined ? (text ?? '') : String(Number(mebibytes) * 2 ** 20),
    })
  )

  it('has a row for every key that the program reads, and for no other', () => {
    expect(rows.map(({ key }) => key).sort()).toEqual([...CONFIG_KEYS].sort())
  })

  it.each(rows)('has the default of $key', ({ key, value }) => {
    expect(parseEnvironment({ [key]: value })).toEqual(parseEnvironment({}))
  })
})

describe('docs/reasons.md', () => {
  const section = read('docs/reasons.md').split('\n## Faults\n')[1]!
  const rows = [...section.matchAll(/^\| (worker: )?((?:`[a-z-]+`(?:, )?)+) \|/gm)]
  const documented = (isWorker: boolean): string[] =>
    rows
      .filter(([, worker]) => (worker !== undefined) === isWorker)
      .flatMap(([, , kinds]) => [...kinds!.matchAll(/[a-z-]+/g)].map(([kind]) => kind))

  it('has every kind of fault of the server and of the worker, and no other', () => {
    expect(documented(false).sort()).toEqual([...SERVER_FAULTS].sort())
    // an engine that the worker's process has started is described beside the server's
    const ofWorker = WORKER_FAULTS.filter((kind) => kind !== 'engine-process')
    expect(documented(true).sort()).toEqual([...ofWorker].sort())
  })
})

describe('docs/cli.md', () => {
  it('shows the help that the commands print (npm run docs:cli writes it)', async () => {
    expect(read('docs/cli.md')).toBe(await helpDocument())
  })
})

describe('deploy/grafana.json', () => {
  interface Panel {
    id: number
    title: string
    targets?: { expr: string }[]
  }
  const { panels } = JSON.parse(read('deploy/grafana.json')) as { panels: Panel[] }
  const documented = new Set(
    [...read('docs/metrics.md').matchAll(/^\| `(promptintern_\w+)` \|/gm)].map(([, name]) => name)
  )

  it('asks for metrics that there are', () => {
    const asked = panels
      .flatMap(({ targets = [] }) => targets)
      .flatMap(({ expr }) => expr.match(/promptintern_\w+/g) ?? [])
    expect(asked.length).toBeGreaterThan(15)
    for (const name of asked) expect(documented).toContain(name.replace(/_bucket$/, ''))
  })

  it('has panels that can be told apart', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length)
  })
})
