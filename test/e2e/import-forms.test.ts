/** Exports of other programs from a user's view: `scan` and `import` read them as they read logs of their own form. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import type { ScanReport } from '../../src/core/scan/report.ts'
import { IN_FORMS } from '../kit/logs/forms.ts'
import { builtCommand, endHere } from '../kit/whole/command-here.ts'
import { answered, timeOf } from '../kit/traffic/scan-log.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()

const TENANT = '0123456789abcdef'.repeat(2)
let files = 0

const command = await builtCommand()

const cli = (env: Record<string, string>, ...words: string[]) =>
  endHere(command, { LOG_LEVEL: 'error', ...env }, words)

const fileOf = (content: string): string => {
  const path = join(folder, `${files++}.log`)
  writeFileSync(path, content)
  return path
}

const emptyDir = (): string => join(folder, `data-${files++}`)

const importInto = (dataDir: string, path: string, env: Record<string, string> = {}) =>
  cli({ DATA_DIR: dataDir, ...env }, 'import', path, '--tenant', TENANT, '--json')

const countsOf = ({ stdout }: { stdout: string }) => JSON.parse(stdout) as Record<string, unknown>

/** Answers for which no head is trained. */
const EXCHANGES = answered(40, (n) => JSON.stringify({ order: n })).map(
  ({ request, answer }, number) => ({ number, at: timeOf(number), answer, ...request })
)

const valuesIn = (form: string): object[] => EXCHANGES.map(IN_FORMS[form]!)

const linesOf = (values: object[]): string =>
  values.map((value) => JSON.stringify(value)).join('\n')

/** What a scan and an import of one file find. */
const found = async (content: string) => {
  const path = fileOf(content)
  const dataDir = emptyDir()
  const { stdout } = await cli({ DATA_DIR: emptyDir() }, 'scan', path, '--json')
  const imported = countsOf(await importInto(dataDir, path))
  const again = countsOf(await importInto(dataDir, path))
  const { templates, exchanges, from, to } = JSON.parse(stdout) as ScanReport
  return { templates, exchanges, from, to, imported, again }
}

const FORMS = Object.keys(IN_FORMS).filter((form) => form !== 'direct')
const fixture = (name: string): string =>
  fileURLToPath(new URL(`../kit/logs/${name}`, import.meta.url))

describe('an export of another program', () => {
  let expected: Awaited<ReturnType<typeof found>>

  beforeAll(async () => {
    expected = await found(linesOf(valuesIn('direct')))
  })

  it.each(FORMS)(
    'in the form %s has the template, the tokens and the times of the exchanges themselves',
    async (form) => {
      // every other form as one document, one of them as a page of an API
      const values = valuesIn(form)
      const document = form === 'langfuse' ? { data: values, meta: {} } : values
      const isDocument = FORMS.indexOf(form) % 2 === 0
      const { templates, ...others } = await found(
        isDocument ? JSON.stringify(document, null, 2) : linesOf(values)
      )
      expect(others).toEqual({ ...expected, templates: undefined })
      expect(templates).toHaveLength(1)
      expect(templates).toEqual(expected.templates)
      expect(templates[0]).toMatchObject({ requests: 40, promptTokens: 1200 })
      expect(others.again).toMatchObject({ imported: 0, repeated: 40, skipped: 0 })
    }
  )

  it('may be a page of an API, a batch of spans and lines of other forms in one file', async () => {
    const page = { data: valuesIn('langfuse').slice(0, 10), meta: {} }
    const spans = valuesIn('openTelemetry')
      .slice(10, 20)
      .flatMap((value) => (value as { resourceSpans: object[] }).resourceSpans)
    const lines = [
      page,
      { resourceSpans: spans },
      ...valuesIn('direct').slice(20, 30),
      ...valuesIn('anthropic').slice(30, 40),
      { prompt: 'hi', completion: 'yes' },
    ]
    const ended = await importInto(emptyDir(), fileOf(`${linesOf(lines)}\n{"torn":`))
    expect(countsOf(ended)).toMatchObject({ imported: 40, repeated: 0, skipped: 2 })
    expect(ended.stderr.trim().split('\n')).toEqual([
      'line 23 is skipped: it has no messages; its members are prompt, completion',
      'line 24 is skipped: it is not valid JSON',
    ])
  })

  it('has an exchange once that it contains twice', async () => {
    const [first] = valuesIn('langfuse')
    const counts = countsOf(await importInto(emptyDir(), fileOf(linesOf([first!, first!]))))
    expect(counts).toMatchObject({ imported: 1, repeated: 1 })
  })

  it.each([
    ['langfuse-page.jsonl', 2, 1],
    ['langfuse-blob.jsonl', 2, 0],
    ['otel-attributes.jsonl', 2, 0],
    ['otel-events.jsonl', 1, 1],
    ['litellm.jsonl', 2, 0],
    ['openai-stored.jsonl', 1, 0],
    ['anthropic.jsonl', 2, 0],
  ])('%s, which the program itself wrote, is read', async (name, imported, skipped) => {
    const counts = countsOf(await importInto(emptyDir(), fixture(name)))
    expect(counts).toMatchObject({ imported, skipped })
    const ended = await cli({ DATA_DIR: emptyDir() }, 'scan', fixture(name), '--json')
    const report = JSON.parse(ended.stdout) as ScanReport & { log: { unread: { count: number } } }
    expect(report.log.unread.count).toBe(skipped)
  })

  it('is redacted as other logs are', async () => {
    const dataDir = emptyDir()
    const [first] = EXCHANGES
    const secret = { ...first!, answer: 'Write to ada@example.com.' }
    const line = JSON.stringify(IN_FORMS['liteLlm']!(secret))
    await importInto(dataDir, fileOf(line), { REDACT: 'email' })
    const listed = await cli({ DATA_DIR: dataDir }, 'records', '--json')
    const [{ id }] = JSON.parse(listed.stdout) as [{ id: string }]
    const { stdout } = await cli({ DATA_DIR: dataDir }, 'records', id, '--json')
    expect(stdout).toContain('Write to ')
    expect(stdout).not.toContain('ada@example.com')
  })
})

describe('a file in none of the forms', () => {
  it.each(['scan', 'import'])(
    'ends %s with what was seen and the forms there are',
    async (verb) => {
      const path = fileOf('[{"prompt": "hi"}]')
      const words = verb === 'import' ? ['--tenant', TENANT] : []
      const { code, stderr } = await cli({ DATA_DIR: emptyDir() }, verb, path, ...words)
      expect(code).toBe(2)
      expect(stderr.replaceAll(/\s+/g, ' ')).toContain(
        'has no line that is a chat exchange: it has no messages; its members are prompt. It may have ' +
          '{messages, response}, {request, response}, fine-tuning rows, observations of Langfuse, ' +
          "OpenTelemetry's GenAI spans (OTLP JSON), rows of LiteLLM's LiteLLM_SpendLogs, OpenAI's stored " +
          "completions, pairs of Anthropic's /v1/messages (docs/scan.md)"
      )
    }
  )

  it('names a value that is too large, and reads the next', async () => {
    const list = `[{"data": "${'x'.repeat(34_000_000)}"},\n${JSON.stringify(valuesIn('langfuse')[0])}]`
    const ended = await importInto(emptyDir(), fileOf(list))
    expect(countsOf(ended)).toMatchObject({ imported: 1, skipped: 1 })
    expect(ended.stderr).toContain('longer than 33554432 bytes (docs/scan.md: how to split it)')
  })
})
