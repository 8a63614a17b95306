/**
 * Imports chat logs in JSONL, so that a team with existing logs can start at once. A line is
 * `{messages, response}`, a fine-tuning row of OpenAI (the last message is the answer), or
 * `{request, response}` with both bodies. The worker detects templates in them afterwards.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { Command } from 'commander'
import type { Config } from '../../config/config.ts'
import { batchOf } from '../../core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../core/log/record.ts'
import { loadSecrets } from '../../config/data-dir.ts'
import { AppError } from '../../errors.ts'
import type { ChatCompletion, ChatMessage, ChatRequest } from '../../openai/chat.ts'
import { compileKeyTable, createKeyFinder, tenantsOfKeys } from '../../proxy/access/access.ts'
import { createTenants, type Tenants } from '../../proxy/access/tenants.ts'
import type { Store } from '../../store/store.ts'
import { withStore } from '../context.ts'
import { openScreen, print, type OutputOptions } from '../output.ts'

interface ImportOptions extends OutputOptions {
  keyEnv: string
  model: string
}

type ImportLine = {
  request?: ChatRequest
  response?: ChatCompletion | string | null
  messages?: ChatMessage[]
  model?: string
  at?: number | string
}

const BATCH_ROWS = 200

const completionOf = (content: string, model: string): ChatCompletion => ({
  id: 'imported',
  object: 'chat.completion',
  created: 0,
  model,
  choices: [
    { index: 0, message: { role: 'assistant', content }, logprobs: null, finish_reason: 'stop' },
  ],
})

const split = (
  line: ImportLine,
  model: string
): { request: ChatRequest; response: ChatCompletion | null } => {
  if (line.request !== undefined) {
    const response = typeof line.response === 'object' ? line.response : null
    return { request: line.request, response }
  }
  const messages = line.messages ?? []
  const name = line.model ?? model
  if (typeof line.response === 'string')
    return { request: { model: name, messages }, response: completionOf(line.response, name) }
  const last = messages.at(-1)
  if (line.response === undefined && last?.role === 'assistant' && typeof last.content === 'string')
    return {
      request: { model: name, messages: messages.slice(0, -1) },
      response: completionOf(last.content, name),
    }
  return { request: { model: name, messages }, response: null }
}

/**
 * @param options.at the time of a line without `at`, milliseconds since the epoch
 * @throws AppError `invalid-request` when the line is not a chat exchange
 */
const recordOfLine = (
  text: string,
  options: { tenant: string; model: string; at: number; lineNumber: number }
): ExchangeRecord => {
  let line: ImportLine
  try {
    line = JSON.parse(text) as ImportLine
  } catch {
    throw new AppError('invalid-request', `line ${options.lineNumber} is not valid JSON`)
  }
  const { request, response } = split(line, options.model)
  if (!Array.isArray(request.messages) || request.messages.length === 0)
    throw new AppError(
      'invalid-request',
      `line ${options.lineNumber} has no messages: see promptintern import --help`
    )
  return {
    // a second import of the same file adds no records
    id: createHash('sha256')
      .update(`${options.tenant}\n${options.lineNumber}\n${text}`)
      .digest('hex')
      .slice(0, 32),
    at: line.at === undefined ? options.at : new Date(line.at).getTime(),
    tenant: options.tenant,
    model: request.model,
    path: '/v1/chat/completions',
    streamed: false,
    status: 200,
    firstByteMs: null,
    durationMs: 0,
    request: JSON.stringify(request),
    response: response === null ? null : JSON.stringify(response),
    usage: response?.usage ?? null,
    route: null,
  }
}

const credentialOf = (name: string): string => {
  const key = process.env[name]
  if (key === undefined || key === '')
    throw new AppError(
      'invalid-config',
      `${name} is not set: the log belongs to the tenant of the API key that its callers use`
    )
  return `Bearer ${key}`
}

/** Tenants as the proxy derives them from its callers' keys. */
const tenantsOf = async (store: Store, { access, proxy, dataDir }: Config): Promise<Tenants> => {
  if (access === 'keys') {
    const keys = compileKeyTable(await store.keys.list())
    return tenantsOfKeys(createKeyFinder(() => keys))
  }
  const secret = proxy.tenantSecret ?? (await loadSecrets(dataDir)).tenantSecret
  return createTenants({ secret, ttlMs: 0, maxEntries: 1, now: Date.now })
}

const importFile = (path: string, options: ImportOptions): Promise<void> =>
  withStore(async (store, config) => {
    const tenants = await tenantsOf(store, config)
    const { tenant } = tenants.identify({
      rawHeaders: ['authorization', credentialOf(options.keyEnv)],
    })
    const { progress } = openScreen(config.logLevel)
    const { size } = await stat(path)
    let batch: ExchangeRecord[] = []
    let lineNumber = 0
    let bytes = 0
    for await (const text of createInterface({ input: createReadStream(path) })) {
      lineNumber += 1
      bytes += Buffer.byteLength(text) + 1
      if (text.trim() === '') continue
      batch.push(recordOfLine(text, { tenant, model: options.model, at: Date.now(), lineNumber }))
      if (batch.length < BATCH_ROWS) continue
      await store.records.append(batchOf(batch))
      batch = []
      progress.update('imported', bytes, size)
    }
    await store.records.append(batchOf(batch))
    progress.update('imported', size, size)
    progress.stop()
    print(options.json ? { lines: lineNumber, tenant } : `${lineNumber} lines for tenant ${tenant}`)
  })

export const importCommand = (): Command =>
  new Command('import')
    .description('import chat logs in JSONL into the log')
    .argument('<file>', 'JSONL: {messages, response}, {request, response} or fine-tuning rows')
    .option(
      '--key-env <name>',
      'environment variable with the API key that the callers use',
      'OPENAI_API_KEY'
    )
    .option('--model <name>', 'model of lines that name none', 'gpt-4o-mini')
    .option('--json', 'print JSON')
    .action(importFile)
