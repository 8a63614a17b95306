/** What vouches beside equality: the checkers of `bench/witnesses`, and stored answers judged by each witness. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openChecker } from '../../src/check/checker.ts'
import type { CheckedAnswers } from '../../src/worker/deps.ts'
import { fromRoot } from '../../test/kit/process/from-root.ts'
import { waitForVerdict } from '../../test/kit/process/internalizations.ts'
import { loopSettings } from '../../test/kit/process/loop-settings.ts'
import { startProxy } from '../../test/kit/process/proxy-process.ts'
import { COLOURS } from '../../test/kit/records/paint-orders.ts'
import type { Report } from '../../test/kit/report.ts'
import { sendAll } from '../../test/kit/traffic/send-all.ts'
import { startReplayUpstream } from '../../test/kit/upstream/replay-upstream.ts'

const isThere = (...command: [string, ...string[]]): boolean =>
  spawnSync(command[0], command.slice(1)).status === 0

/** The request is its query alone. */
const verdictOf = (file: string, asked: Omit<CheckedAnswers, 'messages'>): Promise<string> =>
  openChecker(
    {
      kind: 'command',
      setting: `python3 ${fromRoot(`bench/witnesses/${file}`)}`,
      limitMs: 20_000,
    },
    { env: process.env, fetch }
  ).ask({ ...asked, messages: [{ role: 'user', content: asked.query }] })

type Case = [logged: string, answer: string, verdict: string]

const expectVerdicts = (file: string, query: string, cases: Case[]): void => {
  it.each(cases)('%j and %j: %s', async (logged, answer, verdict) => {
    expect(await verdictOf(file, { query, logged, answer })).toBe(verdict)
  })
}

const ADD = 'def add(a, b):\n    return a + b'

describe.skipIf(!isThere('python3', '--version'))('Python by its tree', () => {
  expectVerdicts('python_tree.py', '', [
    [ADD, 'def add(a,b): # sum\n  return (a + b)', 'same'],
    [ADD, 'def add(a, b):\n    return b + a', 'different'],
    [ADD, 'def add(a, b:', 'different'],
    ['def add(a, b:', ADD, 'none'],
  ])
})

describe.skipIf(!isThere('python3', '--version'))('Python by its results', () => {
  expectVerdicts('python_results.py', 'Add.\nassert add(1, 2) == 3\nassert add(-1, 1) == 0', [
    [ADD, 'add = lambda a, b: b + a', 'same'],
    [ADD, 'def add(a, b):\n    return abs(a) + b', 'different'],
    [ADD, 'def add(a, b):\n    return max(a + b, 0)', 'different'],
    [ADD, 'raise SystemExit(0)', 'different'],
    [ADD, 'while True: pass', 'different'],
    [ADD, 'add = [0] * 10**9', 'different'],
    ['def add(a, b):\n    return 0', ADD, 'none'],
    ['def add(a, b', ADD, 'none'],
  ])

  it('does not compare an input for which the logged answer fails', async () => {
    const query = 'First of a list.\nassert first([3]) == 3'
    const logged = 'def first(a):\n    return a[0] if a[0] > 0 else a[99]'
    const answer = 'def first(a):\n    return a[0]'
    expect(await verdictOf('python_results.py', { query, logged, answer })).toBe('same')
  })

  it('gives no verdict where the request has no assertion', async () => {
    const asked = { query: 'Add.', logged: ADD, answer: 'add = 1' }
    expect(await verdictOf('python_results.py', asked)).toBe('none')
  })
})

describe.skipIf(!isThere('shfmt', '--version'))('shell commands by their tree, with shfmt', () => {
  expectVerdicts('bash_tree.py', '', [
    [
      String.raw`find . -name "*.c" -exec rm {} \;`,
      String.raw`find  . -name '*.c' -exec rm '{}' ';'`,
      'same',
    ],
    ['find . -name "*.c"', String.raw`find . -name \*.c`, 'same'],
    ['find . -name "*.c"', 'find . -name *.c', 'different'],
    ['find . -name "*.c"', 'find . -name "*.h"', 'different'],
    ['find . -type f -name a', 'find . -name a -type f', 'different'],
    ['echo `date`; ls', 'echo $(date)\nls # both', 'same'],
    ['echo "$x"', 'echo "${x}"', 'same'],
    ['echo "$x"', 'echo $x', 'different'],
    ['echo "a"', "echo 'a", 'different'],
    ["echo 'a", 'echo a', 'none'],
  ])
})

const TABLE =
  'Columns: A=Year (number) | B=Team (text) | C=Points (number)\nRows: 2-40\nQuestion: …'

describe.skipIf(!isThere('python3', '-c', 'import ironcalc'))(
  'formulas by their results, with ironcalc',
  () => {
    expectVerdicts('formula_results.py', TABLE, [
      [
        '=FILTER(C2:C40,(A2:A40>1990)*(B2:B40="Ajax"))',
        '=FILTER(C2:C40,(B2:B40="ajax")*(A2:A40>1990))',
        'same',
      ],
      ['=SUMIFS(C2:C40,B2:B40,"Ajax")', '=SUM((B2:B40="Ajax")*C2:C40)', 'same'],
      ['=COUNTIFS(A2:A40,">1990")', '=COUNTIFS(A2:A40,">1991")', 'different'],
      ['=MAX(A2:A40)', '=MAX(C2:C40)', 'different'],
      ['=MAX(A2:A40)', '=MAXIMUM(A2:A40)', 'different'],
      ['=MAXIMUM(A2:A40)', '=MAX(A2:A40)', 'none'],
      ['=1+1', '=2', 'none'],
    ])
  }
)

const ORDERS = 260
const PROMPT =
  'You write SQL for a paint warehouse. The table paint has the columns shelf, colour and tins. Answer with one statement alone, without an explanation, for the order of the customer.'

/** Its spelling does not follow from the order: three that a parser reads as one, of two that execution would. */
const statementOf = (number: number): string => {
  const spelling = Math.floor(number / 42) % 6
  const conditions = [`colour = '${COLOURS[number % 6]}'`, `tins = ${1 + (number % 7)}`]
  const where = (spelling < 3 ? conditions : conditions.toReversed()).join(' AND ')
  return `${['SELECT', 'select', 'Select'][spelling % 3]} shelf FROM paint WHERE ${where}`
}

const requestOf = (number: number) => ({
  model: 'gpt-4o-mini',
  messages: [
    { role: 'system', content: PROMPT },
    {
      role: 'user',
      content: `Order ${1000 + number}: ${1 + (number % 7)} tins of ${COLOURS[number % 6]} paint, please.`,
    },
  ],
})

const valueOf = (figures: Report['figures'], name: string) => figures[name]?.value

describe('stored answers', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'bench-witnesses-'))
  const out = join(dataDir, 'report.json')

  const judge = (...options: string[]): Report['figures'] => {
    const command = ['--import', 'tsx', 'bench/witnesses.ts', '--data', dataDir, ...options]
    spawnSync(process.execPath, [...command, '--out', out], { cwd: fromRoot('') })
    return (JSON.parse(readFileSync(out, 'utf8')) as Report).figures
  }

  beforeAll(async () => {
    const upstream = await startReplayUpstream()
    const requests = Array.from({ length: ORDERS }, (_, number) => requestOf(number))
    requests.forEach(({ messages }, number) => upstream.add(messages, statementOf(number), 200))
    const proxy = await startProxy({
      ...loopSettings(),
      DATA_DIR: dataDir,
      UPSTREAM_BASE_URL: upstream.baseUrl,
    })
    try {
      await sendAll(proxy.baseUrl, requests, { concurrency: 8, onDone: () => undefined })
      await waitForVerdict(proxy, () => undefined)
    } finally {
      await proxy.stop()
      await upstream.close()
    }
  }, 120_000)
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

  it('have one verdict by each witness', () => {
    const figures = judge('--command', `echo '{"verdict":"same"}'`)
    expect(valueOf(figures, 'equality_rows')).toBe(120)
    expect(valueOf(figures, 'equality_agreement')).toBeLessThan(0.4)
    expect(valueOf(figures, 'structure_agreement')).toBeGreaterThan(0.4)
    expect(valueOf(figures, 'structure_agreement')).toBeLessThan(0.8)
    expect(valueOf(figures, 'checker_agreement')).toBe(1)
    const verdicts = ['equality', 'structure', 'checker'].map((one) =>
      valueOf(figures, `${one}_verdict`)
    )
    expect(verdicts).toEqual(['reject', 'reject', 'promote'])
  })

  it('keep nothing of what a checker said', () => {
    const figures = judge('--command', 'false')
    expect(valueOf(figures, 'checker_without_verdict')).toBeGreaterThan(30)
    expect(valueOf(figures, 'checker_agreement')).toBe(valueOf(figures, 'structure_agreement'))
    expect(Object.keys(judge()).filter((name) => name.startsWith('checker'))).toEqual([])
  })

  it('are none where no proxy has written', () => {
    const asked = ['--import', 'tsx', 'bench/witnesses.ts', '--data', join(dataDir, 'none')]
    const { status, stderr } = spawnSync(process.execPath, asked, { cwd: fromRoot('') })
    expect(status).toBe(1)
    expect(String(stderr)).toMatch(/there is no data in/)
  })
})
