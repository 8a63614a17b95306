/** `promptintern scan` from a user's view: logs that other programs wrote, and the data of a running proxy. */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../kit/process/free-port.ts'
import { recordOf } from '../kit/traffic/scan-draws.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { ScanReport } from '../../src/core/scan/report.ts'
import { writeTinyBert } from '../kit/model/tiny-bert.ts'
import { endOfCli, runCli, startServer, type Ended } from '../kit/process/built.ts'
import { builtCommand, endHere } from '../kit/whole/command-here.ts'
import { openStore } from '../kit/store/local-store.ts'
import { answered, labelled, timedLine, tuningLine } from '../kit/traffic/scan-log.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()
const PRICES = join(folder, 'prices.json')
let files = 0

writeFileSync(
  PRICES,
  JSON.stringify([
    { model: 'gpt-4o-mini', asOf: '2026-11-01', input: 15, cachedInput: 7.5, output: 60 },
  ])
)

type Printed = ScanReport & {
  log: { kind: string; unread: { count: number; first: { line: number; reason: string }[] } }
  error?: { code: string; message: string }
}

const ENV = { LOG_LEVEL: 'error', PRICES_FILE: PRICES, DATA_DIR: join(folder, 'no-data') }
const command = await builtCommand()

const scan = (path: string, ...words: string[]) => endHere(command, ENV, ['scan', path, ...words])

const reportOf = async (path: string, ...words: string[]): Promise<Printed> =>
  JSON.parse((await scan(path, '--json', ...words)).stdout) as Printed

const expectRefusal = (ended: Ended, code: number, message: string): void => {
  expect(ended.code).toBe(code)
  expect((JSON.parse(ended.stdout) as Printed).error!.message).toContain(message)
  expect(ended.stderr).not.toContain('    at ')
}

const fileOf = (lines: string[]): string => {
  const path = join(folder, `${files++}.jsonl`)
  writeFileSync(path, lines.join('\n'))
  return path
}

describe('scan of a file', () => {
  const prompts = ['You write queries.\n', 'You fill forms.\n'].map((line) => line.repeat(20))
  const exchanges = [
    ...labelled(0, 700),
    ...answered(150, (n) => `SELECT name FROM parts WHERE id = ${n}`, prompts[0]),
    ...answered(100, (n) => JSON.stringify({ id: n }), prompts[1]),
  ]
  const path = fileOf(exchanges.map(timedLine))

  it('ranks three templates by money, and predicts coverage for labels', async () => {
    const { templates, totals, log } = await reportOf(path)
    expect(log).toMatchObject({ kind: 'file', unread: { count: 0, first: [] } })
    expect(templates.map(({ responseType }) => responseType)).toEqual(['label', 'form', 'form'])
    const [first] = templates
    expect(first!.requests).toBe(700)
    expect(first!.expectedCoverage).toBeGreaterThan(0.2)
    expect(first!.coverageLowerBound).toBeLessThan(first!.expectedCoverage!)
    expect(first!.netUsdPerMonth).toBeGreaterThan(0)
    expect(first!.missingExchanges).toBe(0)
    expect(totals.ready).toBe(1)
  })

  it('says first what could be saved and what to do, and makes no data directory', async () => {
    const { code, stdout } = await scan(path)
    expect(code).toBe(0)
    const flat = stdout.replaceAll(/\s+/g, ' ')
    expect(flat).toMatch(
      /^3 prompts recur in 100\.0 % of 950 exchanges .* save about .* USD a month/
    )
    expect(flat).toContain(`npx promptintern import ${path} && ENGINE=onnx ENCODER_PATH=`)
    expect(flat).toContain('(api.openai.com) allow training on labels and fields')
    expect(flat).toMatch(/version of 2026-01-01.*https:\/\/openai\.com/)
    expect(flat).not.toContain('needs TRAINING_CONSENT')
    expect(existsSync(join(folder, 'no-data'))).toBe(false)
  })

  it('writes a page without texts, and with them on request', async () => {
    const html = join(folder, 'out.html')
    await scan(path, '--html', html)
    const page = readFileSync(html, 'utf8')
    expect(page).toMatch(/^<!doctype html>/)
    expect(page).not.toMatch(/Quellhof|parcels_|SELECT|https?:/)
    expect(page).not.toContain(folder)
    await scan(path, '--html', html, '--with-text')
    expect(readFileSync(html, 'utf8')).toMatch(/Quellhof[^]*parcels_0/)
  })

  it('ends with a message where the page cannot be written', async () => {
    const { code, stderr } = await scan(path, '--html', join(folder, 'nowhere', 'out.html'))
    expect(code).toBe(2)
    expect(stderr).toContain('cannot be written: ENOENT')
  })
})

const messageOf = (n: number) =>
  n % 2 === 0 ? `my card is lost , ${1_000 + n} money` : `transfer the money : ${1_000 + n} ?`

describe('scan of answers that are made of fields', () => {
  const encoder = join(folder, 'fields-bert')
  const prompt = 'You read messages that customers of a bank write, and return JSON.\n'.repeat(10)
  const exchanges = Array.from({ length: 500 }, (_, n) => ({
    request: {
      model: 'gpt-4o-mini',
      messages: [
        { role: 'system', content: prompt },
        { role: 'user', content: messageOf(n) },
      ],
    },
    answer:
      n % 125 === 0
        ? `no JSON of ${7_919 * n}`
        : JSON.stringify({
            kind: n % 2 === 0 ? 'blocked' : 'moved',
            amount: String(1_000 + n),
          }),
  }))
  const path = fileOf(exchanges.map(timedLine))

  beforeAll(() => writeTinyBert(encoder, { seed: 6 }))

  it('has their fields and the coverage of a field head, without texts', async () => {
    const { templates } = await reportOf(path, '--encoder', encoder)
    const [template] = templates
    expect(template).toMatchObject({
      responseType: 'form',
      labels: null,
      fields: [
        { path: 'kind', kind: 'choice', examples: [] },
        { path: 'amount', kind: 'copied', examples: [] },
      ],
      coverageReason: null,
    })
    expect(template!.explained).toBeGreaterThan(0.98)
    expect(template!.expectedCoverage).toBeGreaterThan(0.5)
    expect(template!.netUsdPerMonth).toBeGreaterThan(0)
    expect(JSON.stringify(templates)).not.toContain('blocked')
  })

  it('shows an answer that the form does not reproduce on the terminal alone, and a head as the next step', async () => {
    const html = join(folder, 'fields.html')
    const { stdout } = await scan(path, '--encoder', encoder, '--html', html)
    const flat = stdout.replaceAll(/\s+/g, ' ')
    expect(flat).toContain('A field head could answer')
    expect(flat).toMatch(/it does not reproduce, for example: question: (my card|transfer)/)
    expect(flat).toContain('answer: no JSON of')
    expect(flat).toContain(`ENGINE=onnx ENCODER_PATH=${encoder}`)
    const page = readFileSync(html, 'utf8')
    expect(page).toContain('<bdi>amount</bdi>')
    expect(page).not.toMatch(/no JSON of|blocked|my card/)
  })

  it('is told to try one, without an encoder', async () => {
    const { stdout } = await scan(path)
    const flat = stdout.replaceAll(/\s+/g, ' ')
    expect(flat).toContain(
      'its coverage is estimated with a sentence encoder: name one with --encoder'
    )
    expect(flat).toContain('next: a field head may learn its answers on this machine')
    expect(flat).toContain('models pull minilm')
  })
})

const inData = (dataDir: string, env: Record<string, string>, ...words: string[]) =>
  runCli({ PRICES_FILE: PRICES, LOG_LEVEL: 'error', DATA_DIR: dataDir, ...env }, ...words)

describe('the templates of a scan', () => {
  const path = fileOf(labelled(0, 120).map(timedLine))
  const OF_OTHERS = 'the template ids change after an import'

  it('have names, and ids that an import changes', async () => {
    const { stdout } = await scan(path)
    const text = stdout.replaceAll(/\n {2}/g, ' ')
    const [, id] = /^([0-9a-f]{8}) +120 /m.exec(text)!
    expect(text).toMatch(new RegExp(`^${id} \\(work for the post room of Quellhof\\)`, 'm'))
    expect(text).toContain(OF_OTHERS)
  })

  it('have the ids of an import for the same tenant, or for the key of the callers', async () => {
    const tenant = '0123456789abcdef'.repeat(2)
    const dataDir = join(folder, 'imported')
    await inData(dataDir, {}, 'import', path, '--tenant', tenant)
    const key = { OPENAI_API_KEY: 'sk-callers' }
    await inData(dataDir, key, 'import', path)
    await inData(dataDir, {}, 'worker', '--until-idle')
    const { templates } = JSON.parse(await inData(dataDir, {}, 'status', '--json')) as Printed
    const text = await inData(dataDir, {}, 'scan', path, '--tenant', tenant)
    const ofKey = await inData(dataDir, key, 'scan', path)
    expect([text, ofKey].map((each) => /^([0-9a-f]{8}) +120 /m.exec(each)![1]).toSorted()).toEqual(
      templates.map(({ version }) => version.slice(0, 8)).toSorted()
    )
    for (const each of [text, ofKey]) expect(each).not.toContain('after an import')
  })
})

describe('scan of a difficult file', () => {
  it('knows dollars a month of a file without times only by --days', async () => {
    const path = fileOf(labelled(0, 200).map(tuningLine))
    const [without] = (await reportOf(path)).templates
    expect(without!.requestsPerMonth).toBeNull()
    expect(without!.moneyUnknown).toContain('--days')
    const [withDays] = (await reportOf(path, '--days', '10')).templates
    expect(withDays!.requestsPerMonth).toBeCloseTo((20 * 365) / 12, 6)
    expect(withDays!.usdPerMonth).toBeGreaterThan(0)
  })

  it('has no coverage for one label, with the reason', async () => {
    const lines = answered(300, () => 'billing').map(timedLine)
    const [template] = (await reportOf(fileOf(lines))).templates
    expect(template!.expectedCoverage).toBeNull()
    expect(template!.coverageReason).toMatchObject({ code: 'one-label' })
  })

  it('learns labels in Chinese', async () => {
    const topics = { 账单: '发票金额', 物流: '包裹快递', 退货: '退款申请' }
    const names = Object.keys(topics) as (keyof typeof topics)[]
    const exchanges = answered(600, (n) => names[n % 3]!).map(({ request, answer }, n) => {
      const query = `请问${topics[names[n % 3]!]}的问题${n}`
      const messages = [request.messages[0]!, { role: 'user', content: query }]
      return { request: { ...request, messages }, answer }
    })
    const [template] = (await reportOf(fileOf(exchanges.map(timedLine)))).templates
    expect(template!.labels).toBe(3)
    expect(template!.expectedCoverage).toBeGreaterThan(0.9)
  })

  it('says how many requests are longer than the encoder reads, also where no head passes', async () => {
    const encoder = join(folder, 'tiny-bert')
    // reads 16 tokens
    writeTinyBert(encoder, { seed: 1 })
    const exchanges = answered(160, (n) => (n % 2 === 0 ? 'card' : 'money')).map((exchange, n) => {
      const [prompt] = exchange.request.messages
      const content = n % 4 === 0 ? `the ${'new card '.repeat(20)} ${n}` : `my pin ${n}`
      return {
        ...exchange,
        request: { ...exchange.request, messages: [prompt!, { role: 'user', content }] },
      }
    })
    const path = fileOf(exchanges.map(timedLine))
    const { features, templates } = await reportOf(path, '--encoder', encoder)
    expect(templates[0]).toMatchObject({ expectedCoverage: 0, rows: { train: 80, heldOut: 80 } })
    const told =
      'the sentence encoder tiny-bert, and hashed words; the encoder reads 16 tokens of a request: 40 of 160 are longer'
    expect(features).toBe(told)
    const { stdout } = await scan(path, '--encoder', encoder)
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(`heads were tried on ${told}`)
  })

  it.each([
    ['an empty file', () => fileOf([]), 2, 'is empty'],
    ['a file that does not exist', () => join(folder, 'none.jsonl'), 3, 'there is no file'],
    [
      'a folder without data',
      () => mkdtempSync(join(folder, 'empty-')),
      3,
      'is not a data directory',
    ],
  ])('ends with a message for %s', async (_name, path, code, message) => {
    expectRefusal(await scan(path(), '--json'), code, message)
  })

  it('ends with a message for a pipe', async () => {
    const ended = await endOfCli(ENV, ['scan', '/dev/stdin', '--json'], { input: null })
    expectRefusal(ended, 2, 'reads a log twice')
  })
})

describe('scan of a data directory', () => {
  it('reads the log of a running proxy', async () => {
    const dataDir = join(folder, 'data')
    const store = await openStore({ dataDir })
    const since = Date.now() - 500 * 60_000
    // of the last hours: the worker deletes records that are older than the retention
    const records = labelled(0, 500).map((exchange, number) => ({
      ...recordOf(exchange, number),
      at: since + number * 60_000,
    }))
    await store.records.append(batchOf(records))
    await store.close()
    const server = await startServer({
      DATA_DIR: dataDir,
      PORT: String(await freePort()),
      ENGINE: 'none',
      LOG_LEVEL: 'error',
    })
    try {
      const { log, templates, exchanges } = await reportOf(dataDir)
      expect(log.kind).toBe('data directory')
      expect(exchanges).toBe(500)
      expect(templates).toHaveLength(1)
      expect(templates[0]).toMatchObject({ requests: 500, responseType: 'label' })
      const { stdout } = await scan(dataDir)
      expect(stdout.replaceAll(/\s+/g, ' ')).toMatch(/next: (train and prove it|log about)/)
    } finally {
      await server.stop()
    }
  })
})
