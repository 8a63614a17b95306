/**
 * Runs the examples of the documents: the `sh` and `ts` blocks of a page in order, in one shell, in a
 * folder of their own with a template that waits for approval. A block that cannot run here says why in
 * its fence: `sh not run: needs Docker`.
 */
import { execFile } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../kit/process/free-port.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { saveDecisionFacts } from '../../src/lifecycle/proof-file.ts'
import { examplePair, routedRecord } from '../kit/records/audited.ts'
import { CLI, runCli } from '../kit/process/built.ts'
import { exampleFacts, exampleJudged } from '../kit/records/facts.ts'
import { writeTinyBert } from '../kit/model/tiny-bert.ts'
import { exampleEvaluation, exampleRecord, exampleTemplate } from '../kit/records/examples.ts'
import { openStore } from '../kit/store/local-store.ts'
import { startChatUpstream, type ChatUpstream } from '../kit/upstream/chat-upstream.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'
import { changedConstants } from '../kit/process/loop-settings.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const TINY_MODEL = join(ROOT, 'models', 'tiny')
const ADMIN_TOKEN = 'token-of-the-documents'
const INTERNALIZATION = 'internalization-1'
const TEMPLATE = exampleTemplate()
/** A record with both answers. */
const AUDITED = 'record-7'

interface Block {
  language: string
  /** null for a block that runs */
  notRun: string | null
  text: string
}

const blocksOf = (page: string): Block[] =>
  [...readFileSync(join(ROOT, page), 'utf8').matchAll(/^```(\w+)(.*)\n([^]*?)^```$/gm)]
    .map(([, language = '', info = '', text = '']) => ({
      language,
      notRun: /^ not run: (.+)$/.exec(info)?.[1] ?? null,
      text,
    }))
    .filter(({ language }) => language === 'sh' || language === 'ts')

const PAGES = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`),
].filter((page) => page.endsWith('.md') && blocksOf(page).length > 0)

const folder = sharedFolder()
const prepared = join(folder, 'prepared')
const tinyEncoder = join(folder, 'encoder')
const shims = join(folder, 'shims')
let upstream: ChatUpstream

/** The programs that the documents call, as far as they are needed here. */
const SHIMS = {
  promptintern: `exec "${process.execPath}" "${CLI}" "$@"`,
  npx: 'exec "$@"',
  npm: `case "$1" in
  ci|install|pack) ;;
  run) [ "$2" = build ] ;;
  start)
    promptintern serve 2> server.log &
    echo $! >> servers
    for _ in $(seq 300); do curl -sf "http://127.0.0.1:$PORT/readyz" > answer && exit 0; sleep 0.1; done
    cat server.log >&2; exit 1 ;;
  *) exit 1 ;;
esac`,
}

const prepare = async (): Promise<void> => {
  const store = await openStore({ dataDir: prepared })
  await store.templates.upsert([TEMPLATE])
  // older ones would be deleted while a page runs
  const at = Date.now() - 60_000
  const records = Array.from({ length: 6 }, (_, index) => ({ ...exampleRecord(index + 1), at }))
  await store.records.append(batchOf([...records, routedRecord(7, 'skipped', { at })]))
  await store.pairs.judge([examplePair(AUDITED)])
  await store.records.tagTemplate(
    records.map(({ id }) => id),
    TEMPLATE.version
  )
  await store.internalizations.create(exampleJudged())
  await saveDecisionFacts(store, INTERNALIZATION, exampleFacts())
  await store.internalizations.addEvaluations(
    ['record-3', 'record-4'].map((id) => exampleEvaluation(id))
  )
  await store.close()
  // secrets.json, which the documents read
  await runCli({ DATA_DIR: prepared }, 'keys', 'create', '--name', 'first')
}

beforeAll(async () => {
  mkdirSync(shims)
  writeTinyBert(tinyEncoder, { seed: 1 })
  for (const [name, body] of Object.entries(SHIMS)) {
    writeFileSync(join(shims, name), `#!/usr/bin/env bash\n${body}\n`)
    chmodSync(join(shims, name), 0o755)
  }
  // greets whoever asks
  upstream = await startChatUpstream(() => ({
    message: { role: 'assistant', content: 'Hello!' },
    finish_reason: 'stop',
  }))
  await prepare()
})

afterAll(() => upstream.close())

const withValues = (text: string, port: number): string => {
  const values: [string, string][] = [
    ['https://api.openai.com/v1', upstream.baseUrl],
    ['127.0.0.1:8787', `127.0.0.1:${port}`],
    ['data/models/sentence-transformers--all-MiniLM-L6-v2', tinyEncoder],
    ['data/models/HuggingFaceTB--SmolLM2-135M-Instruct', TINY_MODEL],
    ['./SmolLM2-135M-Instruct.Q4_1.gguf', TINY_MODEL],
    ['<template>', TEMPLATE.version],
    ['<internalization>', INTERNALIZATION],
    ['<record>', 'record-1'],
    ['<pair>', AUDITED],
  ]
  return values.reduce((result, [from, to]) => result.replaceAll(from, to), text)
}

/** Blocks as one script; a server that a page takes for granted is started first. */
const scriptOf = (blocks: Block[], work: string, port: number): string => {
  const starts = blocks.some(({ text }) => /npm start|promptintern serve/.test(text))
  const calls = blocks.some(({ text }) => text.includes('127.0.0.1:8787'))
  const parts = blocks.map(({ language, text }, index) => {
    const filled = withValues(text, port)
    const mark = `echo "--- example ${index + 1}: ${language}" >&2\n`
    if (language === 'sh') return mark + filled
    const file = join(work, `example-${index + 1}.mts`)
    writeFileSync(file, filled)
    return `${mark}"${process.execPath}" --import tsx "${file}" >&2\n`
  })
  return [
    'set -euo pipefail',
    "trap 'touch servers; while read -r pid; do kill $pid && while kill -0 $pid 2> /dev/null; do sleep 0.05; done; done < servers' EXIT",
    ...(calls && !starts ? ['npm start'] : []),
    ...parts,
  ].join('\n')
}

const runPage = async (page: string): Promise<{ code: number; log: string }> => {
  const work = mkdtempSync(join(folder, 'work-'))
  cpSync(prepared, join(work, 'data'), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(work, 'node_modules'))
  const port = await freePort()
  const script = scriptOf(
    blocksOf(page).filter(({ notRun }) => notRun === null),
    work,
    port
  )
  const upstreamUrl = withValues('https://api.openai.com/v1', port)
  const env = {
    PATH: `${shims}:${process.env.PATH}`,
    HOME: work,
    DATA_DIR: 'data',
    PORT: String(port),
    UPSTREAM_BASE_URL: upstreamUrl,
    OPENAI_API_KEY: 'key-of-the-client',
    ADMIN_TOKEN,
    ENGINE: 'fake',
    AUTO_INTERNALIZE: 'false',
    // several pages run at once, on however slow a machine
    ...changedConstants({ shedDelayMs: 0 }),
  }
  return new Promise((resolve) => {
    execFile(
      'bash',
      ['-c', script],
      { cwd: work, env, timeout: 100_000 },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), log: stdout + stderr })
    )
  })
}

describe.concurrent('the examples of', () => {
  const runnable = PAGES.filter((page) => blocksOf(page).some(({ notRun }) => notRun === null))

  it.each(runnable)('%s', { timeout: 120_000 }, async (page) => {
    const { code, log } = await runPage(page)
    expect({ code, log: code === 0 ? '' : log }).toEqual({ code: 0, log: '' })
  })

  for (const page of PAGES)
    for (const { notRun, text } of blocksOf(page))
      if (notRun !== null) it.skip(`${page}: ${text.split('\n', 1)[0]} (${notRun})`, () => {})
})
